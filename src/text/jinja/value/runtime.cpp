#include "text/jinja/value/runtime.h"

#include <fmt/format.h>

#include <cmath>
#include <cstring>

#include "text/jinja/value/unicode.h"

namespace attune::text::jinja {
namespace {

/// Reads list, tuple, range, view or dict by position.
class IndexedIterator : public Iterator {
 public:
  explicit IndexedIterator(Value value) : value_(std::move(value)) { depth = value_.depth() + 1; }
  bool next(Runtime& runtime, Value& item) override {
    if (at_ >= size()) return false;
    runtime.budget.step();
    item = read(at_++);
    return true;
  }
  const char* type_name() const override {
    return value_.is(Kind::kList) ? "list_iterator" : value_.is(Kind::kTuple) ? "tuple_iterator" : "iterator";
  }

 private:
  std::size_t size() const {
    if (value_.is_sequence()) return value_.items().size();
    if (value_.is(Kind::kRange)) return static_cast<std::size_t>(value_.as_range().size());
    if (value_.is(Kind::kView)) return value_.as_view().dict.as_dict().entries.size();
    return value_.as_dict().entries.size();
  }
  Value read(std::size_t at) const {
    if (value_.is_sequence()) return value_.items()[at];
    if (value_.is(Kind::kRange)) return Value::integer(value_.as_range().at(static_cast<std::int64_t>(at)));
    if (value_.is(Kind::kView)) return value_.as_view().at(at);
    return value_.as_dict().entries[at].first;
  }
  Value value_;
  std::size_t at_ = 0;
};

class CharacterIterator : public Iterator {
 public:
  explicit CharacterIterator(Value value) : value_(std::move(value)) {}
  bool next(Runtime& runtime, Value& item) override {
    const std::string& text = value_.text();
    if (at_ >= text.size()) return false;
    const std::size_t start = at_;
    next_code_point(text, at_);
    item = runtime.string(text.substr(start, at_ - start));
    return true;
  }
  const char* type_name() const override { return "str_iterator"; }

 private:
  Value value_;
  std::size_t at_ = 0;
};

class EmptyIterator : public Iterator {
 public:
  bool next(Runtime&, Value&) override { return false; }
};

bool contains_text(Runtime& runtime, const Value& container, const Value& item) {
  if (!item.is_string())
    fail_type(fmt::format("'in <string>' requires string as left operand, not {}", type_name(item)));
  const std::string& text = container.text();
  runtime.budget.work(text.size());
  // memmem is linear in the worst case; std::string::find is not.
  return memmem(text.data(), text.size(), item.text().data(), item.text().size()) != nullptr;
}

bool contains_number(const RangeData& range, const Value& item) {
  if (item.is_integral()) return range.contains(item.as_int());
  const double number = item.as_float();
  return std::abs(number) < 9e18 && std::floor(number) == number &&
         range.contains(static_cast<std::int64_t>(number));
}

}  // namespace

Runtime::~Runtime() {
  for (const auto& object : kept_)
    if (auto* emptied = dynamic_cast<Emptied*>(object.get())) emptied->empty();
}

void Runtime::keep(std::shared_ptr<Object> object) {
  budget.allocate(256);
  kept_.push_back(std::move(object));
}

std::shared_ptr<Iterator> Runtime::iterate(const Value& value) {
  switch (value.kind()) {
    case Kind::kMissing:
    case Kind::kUndefined:
      return std::make_shared<EmptyIterator>();
    case Kind::kString:
      return std::make_shared<CharacterIterator>(value);
    case Kind::kList:
    case Kind::kTuple:
    case Kind::kDict:
    case Kind::kRange:
    case Kind::kView:
      return std::make_shared<IndexedIterator>(value);
    case Kind::kIterator:
      return std::static_pointer_cast<Iterator>(value.data());
    default:
      fail_type(fmt::format("'{}' object is not iterable", type_name(value)));
  }
}

std::vector<Value> Runtime::collect(const Value& value) {
  if (value.is_sequence()) {
    budget.step(static_cast<std::int64_t>(value.items().size()) / 8);
    return value.items();
  }
  std::vector<Value> items;
  const auto iterator = iterate(value);
  for (Value item; iterator->next(*this, item);) {
    budget.check_items(items.size() + 1);
    items.push_back(item);
  }
  return items;
}

std::optional<std::int64_t> Runtime::length(const Value& value) {
  switch (value.kind()) {
    case Kind::kMissing:
    case Kind::kUndefined:
      return 0;
    case Kind::kString:
      return static_cast<std::int64_t>(value.as_string().length);
    case Kind::kList:
    case Kind::kTuple:
      return static_cast<std::int64_t>(value.items().size());
    case Kind::kDict:
      return static_cast<std::int64_t>(value.as_dict().entries.size());
    case Kind::kView:
      return static_cast<std::int64_t>(value.as_view().dict.as_dict().entries.size());
    case Kind::kRange:
      return value.as_range().size();
    case Kind::kObject:
      return value.as_object().length(*this);
    default:
      return std::nullopt;
  }
}

bool Runtime::contains(const Value& container, const Value& item) {
  if (container.is_string()) return contains_text(*this, container, item);
  if (container.is(Kind::kDict)) return container.as_dict().find(item) != nullptr;
  if (container.is(Kind::kView) && container.as_view().view == ViewKind::kKeys)
    return container.as_view().dict.as_dict().find(item) != nullptr;
  if (container.is(Kind::kRange) && item.is_number()) return contains_number(container.as_range(), item);
  if (container.is_sequence()) {
    for (const auto& other : container.items())
      if (equal(budget, item, other)) return true;
    return false;
  }
  if (container.is(Kind::kNone) || container.is_number() || container.is(Kind::kObject))
    fail_type(fmt::format("argument of type '{}' is not iterable", type_name(container)));
  const auto iterator = iterate(container);
  for (Value other; iterator->next(*this, other);)
    if (equal(budget, item, other)) return true;
  return false;
}

Value Runtime::call(const Value& callee, Args& args) {
  if (callee.is_undefined()) callee.fail_undefined();
  if (!callee.is(Kind::kObject)) fail_type(fmt::format("'{}' object is not callable", type_name(callee)));
  budget.step();
  return callee.as_object().call(*this, args);
}

void fail_type(const std::string& message) { throw Failure(FailureKind::kType, message); }
void fail_value(const std::string& message) { throw Failure(FailureKind::kValue, message); }

std::int64_t index_of(const Value& value) {
  if (value.is_undefined()) fail_type("'Undefined' object cannot be interpreted as an integer");
  if (!value.is_integral())
    fail_type(fmt::format("'{}' object cannot be interpreted as an integer", type_name(value)));
  return value.as_int();
}

const std::string& string_of(const Value& value) {
  if (!value.is_string()) fail_type(fmt::format("expected a string, got {}", type_name(value)));
  return value.text();
}

Parameters::Parameters(const Args& args, const char* function, std::initializer_list<const char*> names,
                       std::size_t required, Keywords keywords)
    : values_(names.size(), nullptr) {
  if (args.positional.size() > names.size())
    fail_type(fmt::format("{}() takes at most {} arguments ({} given)", function, names.size(),
                          args.positional.size()));
  for (std::size_t i = 0; i < args.positional.size(); ++i) values_[i] = &args.positional[i];
  for (const auto& [key, value] : args.keywords) {
    std::size_t at = 0;
    while (at < names.size() && key != names.begin()[at]) ++at;
    if (at == names.size() || keywords == Keywords::kForbidden)
      fail_type(fmt::format("{}() got an unexpected keyword argument '{}'", function, key));
    if (values_[at]) fail_type(fmt::format("{}() got multiple values for argument '{}'", function, key));
    values_[at] = &value;
  }
  for (std::size_t i = 0; i < required; ++i)
    if (!values_[i]) fail_type(fmt::format("{}() is missing the argument '{}'", function, names.begin()[i]));
}

std::int64_t Parameters::integer(std::size_t index, std::int64_t otherwise) const {
  return values_[index] ? index_of(*values_[index]) : otherwise;
}

const std::string& Parameters::text(std::size_t index, const std::string& otherwise) const {
  return values_[index] ? string_of(*values_[index]) : otherwise;
}

bool Parameters::flag(std::size_t index, bool otherwise) const {
  return values_[index] ? truthy(*values_[index]) : otherwise;
}

}  // namespace attune::text::jinja
