// What stands behind `is`.
#include <fmt/format.h>

#include "text/jinja/filter/filters.h"
#include "text/jinja/value/unicode.h"

namespace attune::text::jinja {
namespace {

using Question = bool (*)(Runtime& runtime, const Value& value);

template <Question question>
Value ask(Runtime& runtime, const Value& self, const Args& args) {
  const Parameters none(args, "test", {}, 0);
  return Value::boolean(question(runtime, self));
}

bool is_defined(Runtime&, const Value& value) { return !value.is_undefined(); }
bool is_undefined(Runtime&, const Value& value) { return value.is_undefined(); }
bool is_none(Runtime&, const Value& value) { return value.is(Kind::kNone); }
bool is_boolean(Runtime&, const Value& value) { return value.is(Kind::kBool); }
bool is_true(Runtime&, const Value& value) { return value.is(Kind::kBool) && value.as_bool(); }
bool is_false(Runtime&, const Value& value) { return value.is(Kind::kBool) && !value.as_bool(); }
bool is_integer(Runtime&, const Value& value) { return value.is(Kind::kInt); }
bool is_float(Runtime&, const Value& value) { return value.is(Kind::kFloat); }
bool is_number(Runtime&, const Value& value) { return value.is_number(); }
bool is_string(Runtime&, const Value& value) { return value.is_string(); }
bool is_mapping(Runtime&, const Value& value) { return value.is(Kind::kDict); }
bool is_escaped(Runtime&, const Value& value) { return value.is_string() && value.as_string().markup; }
bool is_sequence(Runtime&, const Value& value) {
  return value.is_string() || value.is_sequence() || value.is(Kind::kDict) || value.is(Kind::kRange) ||
         value.is_undefined();
}
bool is_iterable(Runtime& runtime, const Value& value) {
  if (value.is(Kind::kObject)) return value.as_object().length(runtime).has_value();  // `loop`
  return !value.is_number() && !value.is(Kind::kNone);
}
bool is_callable(Runtime&, const Value& value) {
  return value.is_undefined() || (value.is(Kind::kObject) && value.as_object().callable());
}
bool is_lower(Runtime& runtime, const Value& value) {
  return all_are(text_of(runtime, value), Class::kLower);
}
bool is_upper(Runtime& runtime, const Value& value) {
  return all_are(text_of(runtime, value), Class::kUpper);
}
bool is_filter(Runtime&, const Value& value) {
  hash_of(value);  // looked up in a dict, so lists and dicts are errors
  return value.is_string() && find_filter(value.text());
}
bool is_test(Runtime&, const Value& value) {
  hash_of(value);
  return value.is_string() && find_test(value.text());
}

Value remainder(Runtime& runtime, const Value& self, std::int64_t divisor) {
  return arithmetic(runtime, Operation::kModulo, self, Value::integer(divisor));
}

bool is_odd(Runtime& runtime, const Value& value) {
  return equal(runtime.budget, remainder(runtime, value, 2), Value::integer(1));
}
bool is_even(Runtime& runtime, const Value& value) {
  return equal(runtime.budget, remainder(runtime, value, 2), Value::integer(0));
}

Value divisible_by(Runtime& runtime, const Value& self, const Args& args) {
  const Parameters given(args, "divisibleby", {"num"}, 1);
  return Value::boolean(
      equal(runtime.budget, arithmetic(runtime, Operation::kModulo, self, given[0]), Value::integer(0)));
}

Value same_as(Runtime&, const Value& self, const Args& args) {
  const Parameters given(args, "sameas", {"other"}, 1);
  const Value& other = given[0];
  if (self.kind() != other.kind()) return Value::boolean(false);
  if (self.is_integral()) return Value::boolean(self.as_int() == other.as_int());
  return Value::boolean(self.is(Kind::kNone) || (self.data() && self.data() == other.data()));
}

enum class Relation { kEqual, kNotEqual, kLess, kLessEqual, kGreater, kGreaterEqual, kIn };
template <Relation relation>
Value compare(Runtime& runtime, const Value& self, const Args& args) {
  const Parameters given(args, "test", {"other"}, 1);
  const Value& other = given[0];
  switch (relation) {
    case Relation::kEqual:
      return Value::boolean(equal(runtime.budget, self, other));
    case Relation::kNotEqual:
      return Value::boolean(!equal(runtime.budget, self, other));
    case Relation::kLess:
      return Value::boolean(runtime.less(self, other));
    case Relation::kLessEqual:
      return Value::boolean(runtime.less_equal(self, other));
    case Relation::kGreater:
      return Value::boolean(runtime.less(other, self, ">"));
    case Relation::kGreaterEqual:
      return Value::boolean(runtime.less_equal(other, self, ">="));
    default:
      return Value::boolean(runtime.contains(other, self));
  }
}

FunctionTable all_tests() {
  return {{"defined", ask<is_defined>},
          {"undefined", ask<is_undefined>},
          {"none", ask<is_none>},
          {"boolean", ask<is_boolean>},
          {"true", ask<is_true>},
          {"false", ask<is_false>},
          {"integer", ask<is_integer>},
          {"float", ask<is_float>},
          {"number", ask<is_number>},
          {"string", ask<is_string>},
          {"mapping", ask<is_mapping>},
          {"escaped", ask<is_escaped>},
          {"sequence", ask<is_sequence>},
          {"iterable", ask<is_iterable>},
          {"callable", ask<is_callable>},
          {"lower", ask<is_lower>},
          {"upper", ask<is_upper>},
          {"filter", ask<is_filter>},
          {"test", ask<is_test>},
          {"odd", ask<is_odd>},
          {"even", ask<is_even>},
          {"divisibleby", divisible_by},
          {"sameas", same_as},
          {"in", compare<Relation::kIn>},
          {"==", compare<Relation::kEqual>},
          {"eq", compare<Relation::kEqual>},
          {"equalto", compare<Relation::kEqual>},
          {"!=", compare<Relation::kNotEqual>},
          {"ne", compare<Relation::kNotEqual>},
          {"<", compare<Relation::kLess>},
          {"lt", compare<Relation::kLess>},
          {"lessthan", compare<Relation::kLess>},
          {"<=", compare<Relation::kLessEqual>},
          {"le", compare<Relation::kLessEqual>},
          {">", compare<Relation::kGreater>},
          {"gt", compare<Relation::kGreater>},
          {"greaterthan", compare<Relation::kGreater>},
          {">=", compare<Relation::kGreaterEqual>},
          {"ge", compare<Relation::kGreaterEqual>}};
}

}  // namespace

Function find_test(std::string_view name) {
  static const FunctionTable kTable = all_tests();
  const auto it = kTable.find(name);
  return it == kTable.end() ? nullptr : it->second;
}

}  // namespace attune::text::jinja
