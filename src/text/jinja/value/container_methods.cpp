// Methods of lists, tuples, ranges, dicts and numbers, and methods as values.
#include <bit>
#include <cmath>

#include <fmt/format.h>

#include "text/jinja/value/runtime.h"

namespace attune::text::jinja {
namespace {

using Keywords = Parameters::Keywords;

class BoundMethod : public Object {
 public:
  BoundMethod(Value self, std::string name, Function function)
      : self_(std::move(self)), name_(std::move(name)), function_(function) {
    depth = self_.depth() + 1;
  }
  const char* type_name() const override { return "builtin_function_or_method"; }
  bool callable() const override { return true; }
  Value call(Runtime& runtime, Args& args) override { return function_(runtime, self_, args); }
  std::string text_form(Runtime&) const override {
    return fmt::format("<built-in method {} of {} object>", name_, jinja::type_name(self_));
  }

 private:
  Value self_;
  std::string name_;
  Function function_;
};

Value count(Runtime& runtime, const Value& self, const Args& args) {
  const Parameters given(args, "count", {"value"}, 1, Keywords::kForbidden);
  std::int64_t times = 0;
  for (const auto& item : runtime.collect(self)) times += equal(runtime.budget, item, given[0]);
  return Value::integer(times);
}

Value index(Runtime& runtime, const Value& self, const Args& args) {
  const Parameters given(args, "index", {"value", "start", "stop"}, 1, Keywords::kForbidden);
  const auto items = runtime.collect(self);
  const auto size = static_cast<std::int64_t>(items.size());
  const auto place = [&](std::size_t at, std::int64_t otherwise) {
    const std::int64_t value = given.integer(at, otherwise);
    return value < 0 ? std::max<std::int64_t>(value + size, 0) : std::min(value, size);
  };
  for (std::int64_t i = place(1, 0); i < place(2, size); ++i)
    if (equal(runtime.budget, items[static_cast<std::size_t>(i)], given[0])) return Value::integer(i);
  fail_value(fmt::format("{} is not in list", repr_of(runtime, given[0])));
}

Value copy(Runtime&, const Value& self, const Args& args) {
  const Parameters none(args, "copy", {}, 0);
  return self;  // containers never change
}

template <ViewKind kind>
Value view(Runtime&, const Value& self, const Args& args) {
  const Parameters none(args, "dict view", {}, 0);
  auto data = std::make_shared<ViewData>();
  data->dict = self;
  data->view = kind;
  deepen(*data, self);
  return Value(Kind::kView, std::move(data));
}

Value get(Runtime&, const Value& self, const Args& args) {
  const Parameters given(args, "get", {"key", "default"}, 1, Keywords::kForbidden);
  hash_of(given[0]);
  const Value* found = self.as_dict().find(given[0]);
  return found ? *found : given.get(1, Value::none());
}

Value from_keys(Runtime& runtime, const Value&, const Args& args) {
  const Parameters given(args, "fromkeys", {"iterable", "value"}, 1, Keywords::kForbidden);
  auto dict = std::make_shared<DictData>();
  for (auto& key : runtime.collect(given[0])) dict->set(std::move(key), given.get(1, Value::none()));
  return make_dict(runtime.budget, std::move(dict));
}

Value bit_length(Runtime&, const Value& self, const Args& args) {
  const Parameters none(args, "bit_length", {}, 0);
  const auto magnitude = static_cast<std::uint64_t>(self.as_int());
  return Value::integer(std::bit_width(self.as_int() < 0 ? ~magnitude + 1 : magnitude));
}

Value bit_count(Runtime&, const Value& self, const Args& args) {
  const Parameters none(args, "bit_count", {}, 0);
  const auto magnitude = static_cast<std::uint64_t>(self.as_int());
  return Value::integer(std::popcount(self.as_int() < 0 ? ~magnitude + 1 : magnitude));
}

Value conjugate(Runtime&, const Value& self, const Args& args) {
  const Parameters none(args, "conjugate", {}, 0);
  return posit(self);
}

Value float_is_integer(Runtime&, const Value& self, const Args& args) {
  const Parameters none(args, "is_integer", {}, 0);
  return Value::boolean(std::isfinite(self.as_float()) && std::floor(self.as_float()) == self.as_float());
}

Function dict_method(std::string_view name) {
  if (name == "items") return view<ViewKind::kItems>;
  if (name == "keys") return view<ViewKind::kKeys>;
  if (name == "values") return view<ViewKind::kValues>;
  if (name == "get") return get;
  if (name == "copy") return copy;
  if (name == "fromkeys") return from_keys;
  return nullptr;
}

Function number_method(Kind kind, std::string_view name) {
  if (name == "conjugate") return conjugate;
  if (kind == Kind::kFloat) return name == "is_integer" ? float_is_integer : nullptr;
  if (name == "bit_length") return bit_length;
  return name == "bit_count" ? bit_count : nullptr;
}

}  // namespace

Function find_container_method(Kind kind, std::string_view name) {
  switch (kind) {
    case Kind::kDict:
      return dict_method(name);
    case Kind::kBool:
    case Kind::kInt:
    case Kind::kFloat:
      return number_method(kind, name);
    case Kind::kList:
      if (name == "copy") return copy;
      [[fallthrough]];
    case Kind::kTuple:
    case Kind::kRange:
      if (name == "count") return count;
      return name == "index" ? index : nullptr;
    default:
      return nullptr;
  }
}

Function find_method(const Value& value, std::string_view name) {
  return value.is_string() ? find_string_method(name) : find_container_method(value.kind(), name);
}

Value bound_method(Value self, std::string name, Function function) {
  return Value(Kind::kObject, std::make_shared<BoundMethod>(std::move(self), std::move(name), function));
}

}  // namespace attune::text::jinja
