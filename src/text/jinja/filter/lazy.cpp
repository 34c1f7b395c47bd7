// Lazy filters: map, select, reject, unique, items, batch, slice. Like Python's generators they look at their
// input, and complain about it, only when somebody reads them.
#include <algorithm>
#include <functional>
#include <unordered_set>

#include <fmt/format.h>

#include "text/jinja/filter/filters.h"

namespace attune::text::jinja {
namespace {

/// A generator made of a function that is called for every item that is asked for.
class Generator : public Iterator {
 public:
  using Step = std::function<bool(Runtime&, Iterator& source, Value& item)>;
  using Prepare = std::function<Step(Runtime&)>;

  /// @param prepare runs when the first item is asked for; without a step there are no items.
  Generator(Value input, const Args& args, Prepare prepare)
      : input_(std::move(input)), prepare_(std::move(prepare)) {
    deepen(*this, input_);
    for (const auto& value : args.positional) deepen(*this, value);
    for (const auto& [key, value] : args.keywords) deepen(*this, value);
  }
  bool next(Runtime& runtime, Value& item) override {
    runtime.budget.step();
    if (!prepared_) {
      prepared_ = true;
      step_ = prepare_(runtime);
      if (step_) source_ = runtime.iterate(input_);
    }
    return step_ && step_(runtime, *source_, item);
  }

 private:
  Value input_;
  Prepare prepare_;
  Step step_;
  std::shared_ptr<Iterator> source_;
  bool prepared_ = false;
};

Value generate(const Value& input, const Args& args, Generator::Prepare prepare) {
  return Value(Kind::kIterator, std::make_shared<Generator>(input, args, std::move(prepare)));
}

/// What `map` does to each item.
std::function<Value(Runtime&, const Value&)> mapping(Runtime& runtime, const Args& args) {
  if (args.positional.empty() && args.keyword("attribute")) {
    for (const auto& [key, value] : args.keywords)
      if (key != "attribute" && key != "default")
        throw Failure(FailureKind::kTemplate, fmt::format("Unexpected keyword argument '{}'", key));
    AttributeReader read(runtime, *args.keyword("attribute"));
    if (const Value* otherwise = args.keyword("default")) read.set_default(*otherwise);
    return [read](Runtime& rt, const Value& item) { return read(rt, item); };
  }
  if (args.positional.empty()) throw Failure(FailureKind::kTemplate, "map requires a filter argument");
  if (!args.positional[0].is_string())
    throw Failure(FailureKind::kTemplate, "map requires the name of a filter");
  Args rest = args;
  rest.positional.erase(rest.positional.begin());
  return [name = args.positional[0].text(), rest](Runtime& rt, const Value& item) {
    return run_filter(rt, name, item, rest);
  };
}

Value map(Runtime&, const Value& self, const Args& args) {
  return generate(self, args, [self, args](Runtime& runtime) -> Generator::Step {
    if (!truthy(self)) return nullptr;
    return [apply = mapping(runtime, args)](Runtime& rt, Iterator& source, Value& item) {
      if (!source.next(rt, item)) return false;
      item = apply(rt, item);
      return true;
    };
  });
}

/// What select, reject, selectattr and rejectattr ask of each item.
std::function<bool(Runtime&, const Value&)> condition(Runtime& runtime, Args args, bool by_attribute) {
  Value attribute = Value::none();
  if (by_attribute) {
    if (args.positional.empty())
      throw Failure(FailureKind::kTemplate, "Missing parameter for attribute name");
    attribute = args.positional[0];
    args.positional.erase(args.positional.begin());
  }
  const AttributeReader read(runtime, attribute);
  if (args.positional.empty())
    return [read](Runtime& rt, const Value& item) { return truthy(read(rt, item)); };
  if (!args.positional[0].is_string())
    throw Failure(FailureKind::kTemplate, "the name of a test must be a string");
  const std::string name = args.positional[0].text();
  args.positional.erase(args.positional.begin());
  return
      [read, name, args](Runtime& rt, const Value& item) { return run_test(rt, name, read(rt, item), args); };
}

template <bool keep, bool by_attribute>
Value select(Runtime&, const Value& self, const Args& args) {
  return generate(self, args, [self, args](Runtime& runtime) -> Generator::Step {
    if (!truthy(self)) return nullptr;
    return [holds = condition(runtime, args, by_attribute)](Runtime& rt, Iterator& source, Value& item) {
      while (source.next(rt, item))
        if (holds(rt, item) == keep) return true;
      return false;
    };
  });
}

Value items(Runtime&, const Value& self, const Args& args) {
  const Parameters none(args, "items", {}, 0);
  Value pairs = self;
  if (self.is(Kind::kDict)) {
    auto view = std::make_shared<ViewData>();
    view->dict = self;
    view->view = ViewKind::kItems;
    pairs = Value(Kind::kView, std::move(view));
  }
  return generate(pairs, args, [self](Runtime&) -> Generator::Step {
    if (self.is_undefined()) return nullptr;
    if (!self.is(Kind::kDict)) fail_type("Can only get item pairs from a mapping.");
    return [](Runtime& rt, Iterator& source, Value& item) { return source.next(rt, item); };
  });
}

struct KeyHash {
  std::size_t operator()(const Value& value) const { return hash_of(value); }
};
struct KeyEqual {
  bool operator()(const Value& left, const Value& right) const { return same_key(left, right); }
};

Value unique(Runtime& runtime, const Value& self, const Args& args) {
  const Parameters given(args, "unique", {"case_sensitive", "attribute"}, 0);
  AttributeReader read(runtime, given.get(1, Value::none()));
  if (!given.flag(0, false)) read.ignore_case();
  return generate(self, args, [read](Runtime&) -> Generator::Step {
    const auto seen = std::make_shared<std::unordered_set<Value, KeyHash, KeyEqual>>();
    return [read, seen](Runtime& rt, Iterator& source, Value& item) {
      while (source.next(rt, item)) {
        rt.budget.allocate(2 * sizeof(Value));
        if (seen->insert(read(rt, item)).second) return true;
      }
      return false;
    };
  });
}

Value batch(Runtime& runtime, const Value& self, const Args& args) {
  const Parameters given(args, "batch", {"linecount", "fill_with"}, 1);
  const Value count = given[0], fill = given.get(1, Value::none());
  static_cast<void>(runtime);
  return generate(self, args, [count, fill](Runtime&) -> Generator::Step {
    return [count, fill](Runtime& rt, Iterator& source, Value& item) {
      std::vector<Value> group;
      const auto full = [&] {
        return equal(rt.budget, Value::integer(static_cast<std::int64_t>(group.size())), count);
      };
      while ((group.empty() || !full()) && source.next(rt, item)) group.push_back(item);
      if (group.empty()) return false;
      if (!fill.is(Kind::kNone) && !full()) {
        const std::int64_t wanted = index_of(count);
        rt.budget.check_items(static_cast<std::size_t>(std::max<std::int64_t>(wanted, 0)));
        while (static_cast<std::int64_t>(group.size()) < wanted) group.push_back(fill);
      }
      item = rt.list(std::move(group));
      return true;
    };
  });
}

/// `slice(n)`: n columns, the first ones longer.
Value slice(Runtime& runtime, const Value& self, const Args& args) {
  const Parameters given(args, "slice", {"slices", "fill_with"}, 1);
  static_cast<void>(runtime);
  const Value wanted = given[0], fill = given.get(1, Value::none());
  return generate(self, args, [self, wanted, fill](Runtime& prepared) -> Generator::Step {
    const auto all = std::make_shared<std::vector<Value>>(prepared.collect(self));
    const std::int64_t slices = index_of(wanted);
    if (slices == 0) throw Failure(FailureKind::kZeroDivision, "integer division or modulo by zero");
    const auto at = std::make_shared<std::int64_t>(0);
    return [all, slices, at, fill](Runtime& rt, Iterator&, Value& item) {
      if (*at >= slices) return false;
      const auto size = static_cast<std::int64_t>(all->size()), each = size / slices, longer = size % slices;
      const std::int64_t start = *at * each + std::min(*at, longer);
      const std::int64_t end = start + each + (*at < longer ? 1 : 0);
      std::vector<Value> part(all->begin() + start, all->begin() + end);
      if (!fill.is(Kind::kNone) && *at >= longer) part.push_back(fill);
      ++*at;
      item = rt.list(std::move(part));
      return true;
    };
  });
}

}  // namespace

void add_selection_filters(FunctionTable& table) {
  table.insert({{"map", map},
                {"select", select<true, false>},
                {"reject", select<false, false>},
                {"selectattr", select<true, true>},
                {"rejectattr", select<false, true>},
                {"items", items},
                {"unique", unique},
                {"batch", batch},
                {"slice", slice}});
}

}  // namespace attune::text::jinja
