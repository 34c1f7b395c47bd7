// Reads typed keys out of config.json with the class defaults of transformers and clear messages.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/json.h"

namespace attune::model {

/// A view of one JSON object. Every getter takes the value for a missing or null key, and throws
/// Error{kRequest} naming file, key and value when the type or the range is wrong.
class ConfigReader {
 public:
  /// @param path prefix of keys in messages, e.g. "rope_scaling."
  ConfigReader(const core::Json& object, std::string where, std::string path = "");

  bool has(std::string_view key) const;      ///< present and not null
  bool is_null(std::string_view key) const;  ///< present, and null
  std::int64_t integer(std::string_view key, std::int64_t missing, std::int64_t least,
                       std::int64_t most) const;
  /// A size of at least 1.
  std::int64_t size(std::string_view key, std::int64_t missing) const {
    return integer(key, missing, 1, 1 << 28);
  }
  double number(std::string_view key, double missing) const;
  double positive(std::string_view key, double missing) const;
  bool boolean(std::string_view key, bool missing) const;
  std::string text(std::string_view key, std::string_view missing) const;
  std::vector<double> numbers(std::string_view key) const;     ///< empty when missing
  std::vector<std::string> texts(std::string_view key) const;  ///< empty when missing
  std::vector<std::int64_t> integers(
      std::string_view key) const;                  ///< one number or a list; empty when missing
  ConfigReader object(std::string_view key) const;  ///< an empty object when missing
  const core::Json* find(std::string_view key) const;
  const std::string& where() const { return where_; }
  [[noreturn]] void fail(std::string_view key, std::string_view must) const;

 private:
  const core::Json* object_;
  std::string where_, path_;
};

}  // namespace attune::model
