// Equality and hashes of values, as Python defines them.
#include <cmath>
#include <functional>

#include <fmt/format.h>

#include "text/jinja/value/value.h"

namespace attune::text::jinja {
namespace {

bool equal_numbers(const Value& left, const Value& right) {
  if (left.is_integral() && right.is_integral()) return left.as_int() == right.as_int();
  if (left.is(Kind::kFloat) && right.is(Kind::kFloat)) return left.as_float() == right.as_float();
  const auto wide = [](const Value& value) {  // exact for both types
    return value.is(Kind::kFloat) ? static_cast<long double>(value.as_float())
                                  : static_cast<long double>(value.as_int());
  };
  return wide(left) == wide(right);
}

bool equal_items(Budget& budget, const std::vector<Value>& left, const std::vector<Value>& right) {
  if (left.size() != right.size()) return false;
  for (std::size_t i = 0; i < left.size(); ++i)
    if (!equal(budget, left[i], right[i])) return false;
  return true;
}

bool equal_dicts(Budget& budget, const DictData& left, const DictData& right) {
  if (left.entries.size() != right.entries.size()) return false;
  for (const auto& [key, value] : left.entries) {
    const Value* other = right.find(key);
    if (!other || !equal(budget, value, *other)) return false;
  }
  return true;
}

bool equal_ranges(const RangeData& left, const RangeData& right) {
  if (left.size() != right.size()) return false;
  if (left.size() == 0) return true;
  return left.start == right.start && (left.size() == 1 || left.step == right.step);
}

/// Equality except for what holds other values; `undecided` tells that it is such.
bool equal_scalars(const Value& left, const Value& right, bool& undecided) {
  undecided = false;
  if (left.is_number() && right.is_number()) return equal_numbers(left, right);
  if (left.is_undefined() && right.is_undefined()) return true;
  if (left.kind() != right.kind()) return false;
  switch (left.kind()) {
    case Kind::kNone:
      return true;
    case Kind::kString:
      return left.text() == right.text();
    case Kind::kRange:
      return equal_ranges(left.as_range(), right.as_range());
    case Kind::kList:
    case Kind::kTuple:
    case Kind::kDict:
      undecided = true;
      return false;
    default:
      return left.data() == right.data();
  }
}

}  // namespace

bool equal(Budget& budget, const Value& left, const Value& right) {
  bool undecided = false;
  budget.step();
  const bool result = equal_scalars(left, right, undecided);
  if (!undecided) {
    if (left.is_string()) budget.work(left.text().size());
    return result;
  }
  if (left.data() == right.data()) return true;
  if (left.is(Kind::kDict)) return equal_dicts(budget, left.as_dict(), right.as_dict());
  return equal_items(budget, left.items(), right.items());
}

bool same_key(const Value& left, const Value& right) {
  bool undecided = false;
  const bool result = equal_scalars(left, right, undecided);
  if (!undecided || !left.is(Kind::kTuple)) return result;
  const auto& a = left.items();
  const auto& b = right.items();
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i)
    if (!same_key(a[i], b[i])) return false;
  return true;
}

std::size_t hash_of(const Value& value) {
  switch (value.kind()) {
    case Kind::kString:
      return std::hash<std::string>()(value.text());
    case Kind::kBool:
    case Kind::kInt:
      return std::hash<std::int64_t>()(value.as_int());
    case Kind::kFloat: {
      const double number = value.as_float();
      if (std::floor(number) == number && std::abs(number) < 9e18)
        return std::hash<std::int64_t>()(static_cast<std::int64_t>(number));
      return std::hash<double>()(number);
    }
    case Kind::kTuple: {
      std::size_t hash = 0x9e3779b97f4a7c15;
      for (const auto& item : value.items()) hash = (hash ^ hash_of(item)) * 0x100000001b3;
      return hash;
    }
    case Kind::kRange:
      return static_cast<std::size_t>(value.as_range().size());
    case Kind::kList:
    case Kind::kDict:
    case Kind::kView:
      throw Failure(FailureKind::kType, fmt::format("unhashable type: '{}'", type_name(value)));
    case Kind::kNone:
    case Kind::kMissing:
    case Kind::kUndefined:
      return static_cast<std::size_t>(value.kind() == Kind::kNone);
    default:
      return std::hash<const void*>()(value.data().get());
  }
}

}  // namespace attune::text::jinja
