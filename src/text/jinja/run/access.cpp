// Attributes, items and slices, as the sandboxed environment of jinja2 finds them.
#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "text/jinja/value/runtime.h"
#include "text/jinja/value/unicode.h"

namespace attune::text::jinja {
namespace {

/// Methods that change a list or dict: the sandbox hides them.
bool changes_container(Kind kind, std::string_view name) {
  static constexpr std::array<std::string_view, 8> kList = {"append", "clear", "pop",    "reverse",
                                                            "insert", "sort",  "extend", "remove"};
  static constexpr std::array<std::string_view, 5> kDict = {"clear", "pop", "popitem", "setdefault",
                                                            "update"};
  if (kind == Kind::kList) return std::find(kList.begin(), kList.end(), name) != kList.end();
  if (kind == Kind::kDict) return std::find(kDict.begin(), kDict.end(), name) != kDict.end();
  return false;
}

bool is_dunder(std::string_view name) {
  return name.size() > 4 && name.substr(0, 2) == "__" && name.substr(name.size() - 2) == "__";
}

Value data_attribute(const Value& value, std::string_view name) {
  if (value.is(Kind::kRange)) {
    const RangeData& range = value.as_range();
    if (name == "start") return Value::integer(range.start);
    if (name == "stop") return Value::integer(range.stop);
    if (name == "step") return Value::integer(range.step);
  }
  if (value.is_integral() && (name == "real" || name == "numerator")) return Value::integer(value.as_int());
  if (value.is_integral() && name == "imag") return Value::integer(0);
  if (value.is_integral() && name == "denominator") return Value::integer(1);
  if (value.is(Kind::kFloat) && name == "real") return value;
  if (value.is(Kind::kFloat) && name == "imag") return Value::real(0);
  if (value.is(Kind::kTuple) && static_cast<const ListData&>(*value.data()).group) {
    if (name == "grouper") return value.items()[0];
    if (name == "list") return value.items()[1];
  }
  return Value::missing();
}

Value no_attribute(const Value& value, std::string_view name) {
  const auto repr = value.is(Kind::kNone) ? std::string("None") : fmt::format("{} object", type_name(value));
  return Value::undefined(fmt::format("'{}' has no attribute '{}'", repr, name));
}

/// obj[key]; kMissing where Python raises TypeError or LookupError.
Value subscript(Runtime& runtime, const Value& value, const Value& key) {
  if (value.is(Kind::kDict)) {
    if (key.is(Kind::kList) || key.is(Kind::kDict)) return Value::missing();
    const Value* found = nullptr;
    try {
      found =
          key.is_string() ? value.as_dict().find(std::string_view(key.text())) : value.as_dict().find(key);
    } catch (const Failure& failure) {
      if (failure.kind() != FailureKind::kType) throw;
    }
    return found ? *found : Value::missing();
  }
  const auto size = value.is_sequence() || value.is_string() || value.is(Kind::kRange) ? runtime.length(value)
                                                                                       : std::nullopt;
  if (!size || !key.is_integral()) return Value::missing();
  const std::int64_t index = key.as_int() < 0 ? key.as_int() + *size : key.as_int();
  if (index < 0 || index >= *size) return Value::missing();
  if (value.is_sequence()) return value.items()[static_cast<std::size_t>(index)];
  if (value.is(Kind::kRange)) return Value::integer(value.as_range().at(index));
  const StringData& string = value.as_string();
  if (!string.ascii()) runtime.budget.work(string.text.size());
  const std::size_t start = byte_offset(string.text, string.ascii(), static_cast<std::size_t>(index));
  std::size_t end = start;
  next_code_point(string.text, end);
  return runtime.string(string.text.substr(start, end - start), string.markup);
}

struct Bounds {
  std::int64_t start, stop, step;
  std::int64_t count() const {
    RangeData range;
    range.start = start;
    range.stop = stop;
    range.step = step;
    return range.size();
  }
};

/// slice(start, stop, step).indices(size)
Bounds bounds_of(std::int64_t size, const Value& start, const Value& stop, const Value& step) {
  const auto given = [](const Value& value) {
    if (!value.is(Kind::kNone) && !value.is_integral())
      fail_type("slice indices must be integers or None or have an __index__ method");
    return !value.is(Kind::kNone);
  };
  Bounds out{};
  out.step = given(step) ? step.as_int() : 1;
  if (out.step == 0) fail_value("slice step cannot be zero");
  out.step = std::clamp(out.step, -size - 1, size + 1);  // a longer step also ends after one item
  const std::int64_t lowest = out.step < 0 ? -1 : 0, highest = out.step < 0 ? size - 1 : size;
  const auto place = [&](const Value& value, std::int64_t otherwise) {
    if (!given(value)) return otherwise;
    const std::int64_t index = value.as_int() < 0 ? value.as_int() + size : value.as_int();
    return std::clamp(index, lowest, highest);
  };
  out.start = place(start, out.step < 0 ? highest : lowest);
  out.stop = place(stop, out.step < 0 ? lowest : highest);
  return out;
}

Value slice_text(Runtime& runtime, const Value& value, const Bounds& bounds) {
  const StringData& string = value.as_string();
  const std::int64_t count = bounds.count();
  runtime.budget.work(string.text.size());
  if (count == 0) return runtime.string("", string.markup);
  if (bounds.step == 1) {
    const std::size_t first =
        byte_offset(string.text, string.ascii(), static_cast<std::size_t>(bounds.start));
    const std::size_t last = byte_offset(string.text, string.ascii(), static_cast<std::size_t>(bounds.stop));
    return runtime.string(string.text.substr(first, last - first), string.markup);
  }
  const auto offsets = code_point_offsets(string.text);
  std::string out;
  for (std::int64_t i = 0; i < count; ++i) {
    const auto at = static_cast<std::size_t>(bounds.start + i * bounds.step);
    out.append(string.text, offsets[at], offsets[at + 1] - offsets[at]);
  }
  return runtime.string(std::move(out), string.markup);
}

}  // namespace

Value Runtime::python_attribute(const Value& value, std::string_view name) {
  if (value.is(Kind::kObject)) {
    const Value found = value.as_object().attribute(*this, name);
    if (!found.is(Kind::kMissing)) return found;
  }
  if (changes_container(value.kind(), name) || is_dunder(name))
    return Value::undefined(
        fmt::format("access to attribute '{}' of '{}' object is unsafe.", name, type_name(value)),
        FailureKind::kSecurity);
  if (Value found = data_attribute(value, name); !found.is(Kind::kMissing)) return found;
  if (const Function method = find_method(value, name)) return bound_method(value, std::string(name), method);
  return Value::missing();
}

Value Runtime::attribute(const Value& value, std::string_view name) {
  if (value.is_undefined()) value.fail_undefined();
  const bool plain =
      value.is(Kind::kDict) && !find_method(value, name) && !changes_container(Kind::kDict, name);
  if (!plain)
    if (Value found = python_attribute(value, name); !found.is(Kind::kMissing)) return found;
  if (value.is(Kind::kDict))
    if (const Value* found = value.as_dict().find(name)) return *found;
  return no_attribute(value, name);
}

Value Runtime::item(const Value& value, const Value& key) {
  if (value.is_undefined()) value.fail_undefined();
  if (Value found = subscript(*this, value, key); !found.is(Kind::kMissing)) return found;
  if (key.is_string()) {
    if (Value found = python_attribute(value, key.text()); !found.is(Kind::kMissing)) return found;
    return no_attribute(value, key.text());
  }
  return Value::undefined(fmt::format("{} object has no element {}", type_name(value), repr_of(*this, key)));
}

Value Runtime::slice(const Value& value, const Value& start, const Value& stop, const Value& step) {
  if (value.is_undefined()) value.fail_undefined();
  const bool sliceable = value.is_string() || value.is_sequence() || value.is(Kind::kRange);
  if (!sliceable) fail_type(fmt::format("'{}' object is not subscriptable", type_name(value)));
  const Bounds bounds = bounds_of(*length(value), start, stop, step);
  const std::int64_t count = bounds.count();
  if (value.is_string()) return slice_text(*this, value, bounds);
  if (value.is(Kind::kRange)) {
    auto range = std::make_shared<RangeData>();
    range->start = value.as_range().at(bounds.start);
    range->stop = value.as_range().at(bounds.stop);
    if (__builtin_mul_overflow(value.as_range().step, bounds.step, &range->step))
      throw Failure(FailureKind::kOverflow, "the step of the range goes beyond 64 bits");
    return Value(Kind::kRange, std::move(range));
  }
  std::vector<Value> items;
  budget.step(count / 8);
  items.reserve(static_cast<std::size_t>(count));
  for (std::int64_t i = 0; i < count; ++i)
    items.push_back(value.items()[static_cast<std::size_t>(bounds.start + i * bounds.step)]);
  return make_sequence(budget, value.kind(), std::move(items));
}

}  // namespace attune::text::jinja
