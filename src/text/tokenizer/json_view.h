// Reading large JSON documents (tokenizer.json) with checked types and messages that say where.
#pragma once

#include <simdjson.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace attune::text {

/// One value of a parsed document together with its place, e.g. "model/tokenizer.json: normalizer.type".
/// Every reader throws core::Error{kRequest} naming that place when the value is missing or of another type.
/// A view: the document must outlive it.
class JsonView {
 public:
  JsonView(simdjson::dom::element value, std::string where) : value_(value), where_(std::move(where)) {}

  const std::string& where() const { return where_; }
  simdjson::dom::element raw() const { return value_; }

  bool is_object() const { return value_.is_object(); }
  bool is_array() const { return value_.is_array(); }
  bool is_string() const { return value_.is_string(); }

  /// The member `key`; nothing if it is absent or null.
  std::optional<JsonView> find(std::string_view key) const;
  /// The member `key`, which must be there and not null.
  JsonView at(std::string_view key) const;

  std::string_view text() const;
  bool boolean() const;
  std::int64_t integer(std::int64_t low, std::int64_t high) const;

  std::string text_or(std::string_view key, std::string_view fallback) const;
  bool boolean_or(std::string_view key, bool fallback) const;

  /// Calls `visit` for every element of this array.
  void each(const std::function<void(const JsonView&)>& visit) const;
  /// Calls `visit` for every member of this object.
  void each_member(const std::function<void(std::string_view, const JsonView&)>& visit) const;

  [[noreturn]] void fail(std::string_view problem) const;

 private:
  simdjson::dom::element value_;
  std::string where_;
};

/// A parsed document. Keeps the memory that its views point into.
class JsonDocument {
 public:
  /// @param where the source's name in messages. @throws core::Error{kRequest}
  JsonDocument(std::string_view text, std::string where);
  JsonView root() const { return {root_, where_}; }

 private:
  std::string where_;
  simdjson::dom::parser parser_;
  simdjson::dom::element root_;
};

}  // namespace attune::text
