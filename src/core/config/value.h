// Settings as people write them: YAML recipes and `key=value` arguments, with the place each value came from.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/json.h"

namespace attune::core {

/// The name of the field that a short form sets: "path" for the section "data", "" where a path has no short
/// form. Called with dotted paths ("data", "rollout.rule").
using FirstField = std::function<std::string(std::string_view path)>;

/// A tree of settings. Scalars keep their YAML text and whether it was quoted, so that `version: 1.0` can be
/// a string or a number as the field asks. Every node knows its place ("recipe.yaml:12" or "argument
/// 'method.beta=x'").
class Value {
 public:
  enum class Kind { kNull, kScalar, kList, kMap };
  static Value scalar(std::string text, bool quoted, std::string place);
  static Value list(std::vector<Value> items, std::string place);
  static Value map(std::vector<std::pair<std::string, Value>> entries, std::string place);
  static Value null(std::string place);
  /// A tree with every node at the same place; to_json() gives the same document back (NaN becomes null).
  static Value from_json(const Json& json, const std::string& place);

  Kind kind() const { return kind_; }
  bool is_null() const { return kind_ == Kind::kNull; }
  bool is_scalar() const { return kind_ == Kind::kScalar; }
  bool is_list() const { return kind_ == Kind::kList; }
  bool is_map() const { return kind_ == Kind::kMap; }
  const std::string& place() const { return place_; }
  const std::string& text() const { return text_; }  ///< scalars: as written, without quotes
  bool quoted() const { return quoted_; }
  const std::vector<Value>& items() const { return items_; }                              ///< lists
  const std::vector<std::pair<std::string, Value>>& entries() const { return entries_; }  ///< maps, in order
  std::vector<std::pair<std::string, Value>>& entries() { return entries_; }
  /// The entry of a map, or null (also when this is no map).
  const Value* find(std::string_view key) const;
  /// Sets a dotted path in a map, creating maps on the way; the entry moves to the end, so that later wins
  /// among aliases too. A short form on the way, or under the key itself when a map is there already and
  /// `value` is none, stands for the first field: {data: FILE} and "data.limit" → {data: {path: FILE, limit:
  /// …}}; {method: {name: dpo, beta: 1}} and "method" = ipo → {method: {name: ipo, beta: 1}}. A map replaces
  /// what was there.
  /// @throws Error{kRequest} when a short form is in the way and `first` knows no name for it, or a key is
  /// too deep.
  void set(std::string_view key, Value value, const FirstField& first = {});
  /// YAML 1.2 core reading of this node: null, true/false, integers, floats, strings.
  Json to_json() const;
  /// For messages: "the string 'abc'", "the number 12", "a list", "a map", "nothing (null)". Long texts are
  /// cut.
  std::string described() const;

 private:
  Kind kind_ = Kind::kNull;
  bool quoted_ = false;
  std::string text_, place_;
  std::vector<Value> items_;
  std::vector<std::pair<std::string, Value>> entries_;
};

/// Parses one YAML document ("" gives null). Duplicate keys, alias bombs (aliases that add more than 10,000
/// nodes), nesting beyond 64, maps with more than 10,000 keys, merge keys, keys that are not strings, a
/// second document, control characters and invalid UTF-8 are refused. @throws Error{kRequest} with
/// `source:line`.
Value parse_yaml(std::string_view text, const std::string& source);

/// One command-line argument `dotted.key=yaml value`. Keys in `verbatim` take the rest of the argument as it
/// is. The place of every node is "argument '…'", cut to a readable length. @throws Error{kRequest}
std::pair<std::string, Value> parse_argument(std::string_view argument,
                                             const std::vector<std::string>& verbatim);

/// Writes settings as YAML that parse_yaml reads back to the same values (NaN and infinities become null).
/// Also what YAML 1.1 readers (PyYAML) would take for something else is quoted. Ends in a newline.
std::string to_yaml(const Json& value);

/// YAML 1.2 core schema for an unquoted scalar: null, true/false, an integer that fits 64 bits, a float, or
/// text.
Json resolve_scalar(const std::string& text);

/// The byte offset of the first byte that is not valid UTF-8, or npos.
std::size_t find_invalid_utf8(std::string_view text);

}  // namespace attune::core
