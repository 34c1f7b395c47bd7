// Filters on whole sequences and dicts.
#include <algorithm>

#include <fmt/format.h>

#include "text/jinja/filter/filters.h"
#include "text/jinja/value/unicode.h"

namespace attune::text::jinja {
namespace {

Value length(Runtime& runtime, const Value& self, const Args& args) {
  const Parameters none(args, "length", {}, 0);
  const auto size = runtime.length(self);
  if (!size) fail_type(fmt::format("object of type '{}' has no len()", type_name(self)));
  return Value::integer(*size);
}

Value list(Runtime& runtime, const Value& self, const Args& args) {
  const Parameters none(args, "list", {}, 0);
  return runtime.list(runtime.collect(self));
}

Value default_filter(Runtime&, const Value& self, const Args& args) {
  const Parameters given(args, "default", {"default_value", "boolean"}, 0);
  const bool replace = self.is_undefined() || (given.flag(1, false) && !truthy(self));
  return replace ? given.get(0, Value::string("")) : self;
}

Value first(Runtime& runtime, const Value& self, const Args& args) {
  const Parameters none(args, "first", {}, 0);
  Value item;
  return runtime.iterate(self)->next(runtime, item) ? item
                                                    : Value::undefined("No first item, sequence was empty.");
}

bool reversible(const Value& value) {
  return value.is_string() || value.is_sequence() || value.is(Kind::kDict) || value.is(Kind::kRange) ||
         value.is(Kind::kView) || value.is_undefined();
}

Value last(Runtime& runtime, const Value& self, const Args& args) {
  const Parameters none(args, "last", {}, 0);
  if (!reversible(self)) fail_type(fmt::format("'{}' object is not reversible", type_name(self)));
  if (self.is_sequence() && !self.items().empty()) return self.items().back();
  const auto items = runtime.collect(self);
  return items.empty() ? Value::undefined("No last item, sequence was empty.") : items.back();
}

/// Items ready to be read one by one.
class ReadyIterator : public Iterator {
 public:
  explicit ReadyIterator(std::vector<Value> items) : items_(std::move(items)) {
    for (const auto& item : items_) deepen(*this, item);
  }
  bool next(Runtime& runtime, Value& item) override {
    if (at_ >= items_.size()) return false;
    runtime.budget.step();
    item = items_[at_++];
    return true;
  }
  const char* type_name() const override { return "reversed"; }

 private:
  std::vector<Value> items_;
  std::size_t at_ = 0;
};

Value reverse(Runtime& runtime, const Value& self, const Args& args) {
  const Parameters none(args, "reverse", {}, 0);
  if (self.is_string()) return runtime.slice(self, Value::none(), Value::none(), Value::integer(-1));
  auto items = runtime.collect(self);
  std::reverse(items.begin(), items.end());
  if (!reversible(self)) return runtime.list(std::move(items));
  runtime.budget.allocate(items.size() * sizeof(Value));
  return Value(Kind::kIterator, std::make_shared<ReadyIterator>(std::move(items)));
}

Value sum(Runtime& runtime, const Value& self, const Args& args) {
  const Parameters given(args, "sum", {"attribute", "start"}, 0);
  const AttributeReader read(runtime, given.get(0, Value::none()));
  Value total = given.get(1, Value::integer(0));
  if (total.is_string()) fail_type("sum() can't sum strings [use ''.join(seq) instead]");
  for (const auto& item : runtime.collect(self))
    total = arithmetic(runtime, Operation::kAdd, total, read(runtime, item));
  return total;
}

AttributeReader reader(Runtime& runtime, const Value& attribute, bool case_sensitive) {
  AttributeReader read(runtime, attribute);
  if (!case_sensitive) read.ignore_case();
  return read;
}

template <bool largest>
Value extreme(Runtime& runtime, const Value& self, const Args& args) {
  const Parameters given(args, largest ? "max" : "min", {"case_sensitive", "attribute"}, 0);
  const AttributeReader read = reader(runtime, given.get(1, Value::none()), given.flag(0, false));
  const auto items = runtime.collect(self);
  if (items.empty()) return Value::undefined("No aggregated item, sequence was empty.");
  std::size_t best = 0;
  Value best_key = read(runtime, items[0]);
  for (std::size_t i = 1; i < items.size(); ++i) {
    Value key = read(runtime, items[i]);
    if (!(largest ? runtime.less(best_key, key, ">") : runtime.less(key, best_key))) continue;
    best = i;
    best_key = std::move(key);
  }
  return items[best];
}

Value sort(Runtime& runtime, const Value& self, const Args& args) {
  const Parameters given(args, "sort", {"reverse", "case_sensitive", "attribute"}, 0);
  std::vector<AttributeReader> readers;
  const Value attribute = given.get(2, Value::none());
  if (attribute.is_string()) {
    const std::string& names = attribute.text();
    for (std::size_t start = 0; start <= names.size();) {
      const std::size_t end = std::min(names.find(',', start), names.size());
      readers.push_back(
          reader(runtime, runtime.string(names.substr(start, end - start)), given.flag(1, false)));
      start = end + 1;
    }
  } else {
    readers.push_back(reader(runtime, attribute, given.flag(1, false)));
  }
  auto items = runtime.collect(self);
  std::vector<Value> keys;
  for (const auto& item : items) {
    std::vector<Value> parts;
    for (const auto& read : readers) parts.push_back(read(runtime, item));
    keys.push_back(runtime.list(std::move(parts)));
  }
  sort_by(runtime, items, keys, given.flag(0, false));
  return runtime.list(std::move(items));
}

Value dict_sort(Runtime& runtime, const Value& self, const Args& args) {
  const Parameters given(args, "dictsort", {"case_sensitive", "by", "reverse"}, 0);
  const std::string by = given.has(1) ? text_of(runtime, given[1]) : "key";
  if (by != "key" && by != "value")
    throw Failure(FailureKind::kTemplate, "You can only sort by either \"key\" or \"value\"");
  if (self.is_undefined()) self.fail_undefined();
  if (!self.is(Kind::kDict)) fail_type(fmt::format("'{}' object has no attribute 'items'", type_name(self)));
  std::vector<Value> items, keys;
  for (const auto& [key, value] : self.as_dict().entries) {
    items.push_back(runtime.tuple({key, value}));
    const Value& sorted_by = by == "key" ? key : value;
    keys.push_back(given.flag(0, false) ? sorted_by : lowered(runtime, sorted_by));
  }
  sort_by(runtime, items, keys, given.flag(2, false));
  return runtime.list(std::move(items));
}

Value group_tuple(Runtime& runtime, Value grouper, std::vector<Value> items) {
  Value out = runtime.tuple({std::move(grouper), runtime.list(std::move(items))});
  static_cast<ListData&>(*out.data()).group = true;
  return out;
}

Value group_by(Runtime& runtime, const Value& self, const Args& args) {
  const Parameters given(args, "groupby", {"attribute", "default", "case_sensitive"}, 1);
  AttributeReader read = reader(runtime, given[0], given.flag(2, false));
  AttributeReader read_exact(runtime, given[0]);
  read.set_default(given.get(1, Value::none()));
  read_exact.set_default(given.get(1, Value::none()));
  auto items = runtime.collect(self);
  std::vector<Value> keys;
  for (const auto& item : items) keys.push_back(read(runtime, item));
  sort_by(runtime, items, keys, false);
  std::vector<Value> groups;
  for (std::size_t i = 0; i < items.size();) {
    const Value key = read(runtime, items[i]);
    std::vector<Value> group;
    const Value grouper = read_exact(runtime, items[i]);
    while (i < items.size() && equal(runtime.budget, key, read(runtime, items[i])))
      group.push_back(items[i++]);
    groups.push_back(group_tuple(runtime, grouper, std::move(group)));
  }
  return runtime.list(std::move(groups));
}

Value attr(Runtime& runtime, const Value& self, const Args& args) {
  const Parameters given(args, "attr", {"name"}, 1);
  const std::string& name = string_of(given[0]);
  if (self.is_undefined()) self.fail_undefined();
  const Value found = runtime.python_attribute(self, name);
  return found.is(Kind::kMissing)
             ? Value::undefined(fmt::format("'{} object' has no attribute '{}'", type_name(self), name))
             : found;
}

}  // namespace

void add_sequence_filters(FunctionTable& table) {
  table.insert({{"length", length},
                {"count", length},
                {"list", list},
                {"default", default_filter},
                {"d", default_filter},
                {"first", first},
                {"last", last},
                {"reverse", reverse},
                {"sum", sum},
                {"min", extreme<false>},
                {"max", extreme<true>},
                {"sort", sort},
                {"dictsort", dict_sort},
                {"groupby", group_by},
                {"attr", attr}});
}

}  // namespace attune::text::jinja
