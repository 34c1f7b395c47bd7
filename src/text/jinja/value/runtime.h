// What filters, methods and the evaluator share while one template is rendered.
#pragma once

#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "text/jinja/value/limits.h"
#include "text/jinja/value/value.h"

namespace attune::text::jinja {

/// One rendering: its budget, and Python's operations on values.
class Runtime {
 public:
  Runtime() = default;
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;
  ~Runtime();

  Budget budget;

  Value string(std::string text, bool markup = false) { return make_string(budget, std::move(text), markup); }
  Value list(std::vector<Value> items) { return make_sequence(budget, Kind::kList, std::move(items)); }
  Value tuple(std::vector<Value> items) { return make_sequence(budget, Kind::kTuple, std::move(items)); }

  /// iter(value). @throws Failure{kType} for what cannot be iterated.
  std::shared_ptr<Iterator> iterate(const Value& value);
  /// list(value)
  std::vector<Value> collect(const Value& value);
  /// len(value), or nothing if it has no length.
  std::optional<std::int64_t> length(const Value& value);

  /// environment.getattr: `value.name`
  Value attribute(const Value& value, std::string_view name);
  /// getattr(value, name), kMissing without such an attribute; what the sandbox forbids is undefined.
  Value python_attribute(const Value& value, std::string_view name);
  /// environment.getitem: `value[key]`
  Value item(const Value& value, const Value& key);
  /// value[start:stop:step]
  Value slice(const Value& value, const Value& start, const Value& stop, const Value& step);
  /// left in right
  bool contains(const Value& container, const Value& item);
  /// left < right; `operation` is named in the message if the types do not compare.
  bool less(const Value& left, const Value& right, const char* operation = "<");
  bool less_equal(const Value& left, const Value& right, const char* operation = "<=");
  Value call(const Value& callee, Args& args);

  /// Objects that can come to hold each other; they are emptied when the rendering ends.
  void keep(std::shared_ptr<Object> object);

 private:
  std::vector<std::shared_ptr<Object>> kept_;
};

/// An object that can hold values set later; see Runtime::keep.
class Emptied : public Object {
 public:
  virtual void empty() = 0;
};

[[noreturn]] void fail_type(const std::string& message);
[[noreturn]] void fail_value(const std::string& message);

/// str(value), repr(value)
std::string text_of(Runtime& runtime, const Value& value);
std::string repr_of(Runtime& runtime, const Value& value);
/// The text of strings as it is, of others as `text_of`: what `soft_str` and the text filters work on.
Value soft_string(Runtime& runtime, const Value& value);
std::string float_text(double number);
std::string quote_python(std::string_view text);  ///< repr of a string

/// json.dumps with the defaults of transformers' `tojson`.
struct JsonStyle {
  bool ascii = false;
  bool sorted = false;
  std::optional<std::string> indent;
  std::string item_separator = ", ", key_separator = ": ";
};
std::string json_text(Runtime& runtime, const Value& value, const JsonStyle& style);

enum class Operation { kAdd, kSubtract, kMultiply, kDivide, kFloorDivide, kModulo, kPower };
Value arithmetic(Runtime& runtime, Operation operation, const Value& left, const Value& right);
Value negate(const Value& value);
Value posit(const Value& value);

/// `pattern % arguments` and `pattern.format(…)`.
Value percent_format(Runtime& runtime, const Value& pattern, const Value& arguments);
Value brace_format(Runtime& runtime, const Value& pattern, const Args& args);
/// format(value, specification)
std::string format_value(Runtime& runtime, const Value& value, std::string_view specification);

/// Markup of HTML-escaped text; markup stays as it is.
Value escape(Runtime& runtime, const Value& value);

/// Stable sort. `keys` decide, `items` are moved along.
void sort_by(Runtime& runtime, std::vector<Value>& items, const std::vector<Value>& keys, bool reverse);

using Function = Value (*)(Runtime& runtime, const Value& self, const Args& args);
/// Methods of strings, lists, tuples, dicts, ranges, numbers; null if there is none of that name.
Function find_method(const Value& value, std::string_view name);
Function find_string_method(std::string_view name);
Function find_container_method(Kind kind, std::string_view name);
Value bound_method(Value self, std::string name, Function function);

/// Filters and tests by name; null if there is none. `self` is the filtered value.
Function find_filter(std::string_view name);
Function find_test(std::string_view name);
/// Runs a filter or test. @throws Failure{kTemplate} if there is none of that name.
Value run_filter(Runtime& runtime, const std::string& name, const Value& input, const Args& args);
bool run_test(Runtime& runtime, const std::string& name, const Value& input, const Args& args);

/// `range`, `dict`, `namespace`, …; kMissing for other names.
Value find_global(std::string_view name);
bool is_namespace(const Value& value);
/// `{% set ns.name = value %}` on a namespace.
void set_namespace_attribute(const Value& target, const std::string& name, Value value);

/// int(text, base), float(text); empty if Python would raise ValueError.
std::optional<std::int64_t> parse_int(std::string_view text, int base);
std::optional<double> parse_float(std::string_view text);

/// Arguments of a function by its parameters' names, as Python binds them.
class Parameters {
 public:
  enum class Keywords { kAllowed, kForbidden };
  /// @throws Failure{kType} for too many, unknown, doubled or missing arguments.
  Parameters(const Args& args, const char* function, std::initializer_list<const char*> names,
             std::size_t required, Keywords keywords = Keywords::kAllowed);
  bool has(std::size_t index) const { return values_[index] != nullptr; }
  /// Given and not none.
  bool some(std::size_t index) const { return values_[index] && !values_[index]->is(Kind::kNone); }
  const Value& operator[](std::size_t index) const { return *values_[index]; }
  Value get(std::size_t index, Value otherwise) const { return values_[index] ? *values_[index] : otherwise; }
  std::int64_t integer(std::size_t index, std::int64_t otherwise) const;
  const std::string& text(std::size_t index, const std::string& otherwise) const;
  bool flag(std::size_t index, bool otherwise) const;

 private:
  std::vector<const Value*> values_;
};

/// An int or bool as an index. @throws Failure{kType}
std::int64_t index_of(const Value& value);
/// The text of a string. @throws Failure{kType}
const std::string& string_of(const Value& value);

}  // namespace attune::text::jinja
