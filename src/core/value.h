// Settings as people write them: YAML recipes and `key=value` arguments, with the place each value came from.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/json.h"

namespace attune::core {

/// A tree of settings. Scalars keep their YAML text and whether it was quoted, so that `version: 1.0` can be a string
/// or a number as the field asks. Every node knows its place ("recipe.yaml:12" or "argument 'method.beta=x'").
class Value {
 public:
  enum class Kind { kNull, kScalar, kList, kMap };
  static Value scalar(std::string text, bool quoted, std::string place);
  static Value list(std::vector<Value> items, std::string place);
  static Value map(std::vector<std::pair<std::string, Value>> entries, std::string place);

  Kind kind() const { return kind_; }
  bool is_null() const { return kind_ == Kind::kNull; }
  const std::string& place() const { return place_; }
  const std::string& text() const { return text_; }  ///< scalars: as written, without quotes
  bool quoted() const { return quoted_; }
  const std::vector<Value>& items() const { return items_; }                              ///< lists
  const std::vector<std::pair<std::string, Value>>& entries() const { return entries_; }  ///< maps, in order
  std::vector<std::pair<std::string, Value>>& entries() { return entries_; }
  /// The entry of a map, or null.
  const Value* find(std::string_view key) const;
  /// Sets a dotted path in a map, creating maps on the way; a scalar on the way becomes the first field of a map
  /// by the caller's rule, see `overlay`.
  void set(std::string_view key, Value value);
  /// YAML 1.2 core reading of this node: null, true/false, integers, floats, strings.
  Json to_json() const;

 private:
  Kind kind_ = Kind::kNull;
  std::string text_, place_;
  bool quoted_ = false;
  std::vector<Value> items_;
  std::vector<std::pair<std::string, Value>> entries_;
};

/// Parses YAML. Duplicate keys, alias bombs (more than 10,000 nodes after expansion), nesting beyond 64, merge keys
/// and non-string keys are refused. @throws Error{kRequest} with `source:line`.
Value parse_yaml(std::string_view text, const std::string& source);

/// One command-line argument `dotted.key=yaml value`. Keys in `verbatim` take the rest of the argument as it is.
/// @throws Error{kRequest}
std::pair<std::string, Value> parse_argument(std::string_view argument, const std::vector<std::string>& verbatim);

/// Writes settings as YAML that parse_yaml reads back to the same values.
std::string to_yaml(const Json& value);

}  // namespace attune::core
