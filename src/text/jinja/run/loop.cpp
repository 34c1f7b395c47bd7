// `loop` and macros as values.
#include <fmt/format.h>

#include "text/jinja/run/interpreter.h"

namespace attune::text::jinja {
namespace {

/// `loop.cycle` and `loop.changed`.
class LoopMethod : public Object {
 public:
  using Method = Value (*)(LoopObject& loop, Runtime& runtime, const Args& args);
  LoopMethod(std::shared_ptr<Shared> loop, Method method) : loop_(std::move(loop)), method_(method) {
    depth = loop_->depth + 1;
  }
  const char* type_name() const override { return "method"; }
  bool callable() const override { return true; }
  Value call(Runtime& runtime, Args& args) override {
    return method_(static_cast<LoopObject&>(*loop_), runtime, args);
  }

 private:
  std::shared_ptr<Shared> loop_;
  Method method_;
};

}  // namespace

LoopObject::LoopObject(Interpreter& interpreter, const Statement& node, Activation* closure, Value iterable,
                       std::shared_ptr<Iterator> iterator, std::int64_t depth0)
    : interpreter_(interpreter),
      node_(node),
      closure_(closure),
      iterable_(std::move(iterable)),
      iterator_(std::move(iterator)),
      depth0_(depth0) {
  deepen(*this, iterable_);
}

const Value& LoopObject::peek(Runtime& runtime) {
  if (!after_.is(Kind::kMissing)) return after_;
  if (read_ahead_) {
    if (rest_at_ < rest_.size()) after_ = rest_[rest_at_++];
  } else if (Value item; iterator_->next(runtime, item)) {
    after_ = item.is(Kind::kMissing) ? Value() : item;
  }
  return after_;
}

bool LoopObject::advance(Runtime& runtime, Value& item) {
  if (peek(runtime).is(Kind::kMissing)) return false;
  item = std::exchange(after_, Value::missing());
  ++index0_;
  before_ = std::exchange(current_, item);
  return true;
}

std::optional<std::int64_t> LoopObject::length(Runtime& runtime) {
  if (length_) return length_;
  length_ = runtime.length(iterable_);
  if (length_) return length_;
  const Value iterator(Kind::kIterator, iterator_);
  rest_ = runtime.collect(iterator);
  read_ahead_ = true;
  length_ = static_cast<std::int64_t>(rest_.size()) + index0_ + 1 + (after_.is(Kind::kMissing) ? 0 : 1);
  return length_;
}

Value LoopObject::attribute(Runtime& runtime, std::string_view name) {
  if (name == "index") return Value::integer(index0_ + 1);
  if (name == "index0") return Value::integer(index0_);
  if (name == "first") return Value::boolean(index0_ == 0);
  if (name == "last") return Value::boolean(peek(runtime).is(Kind::kMissing));
  if (name == "length") return Value::integer(*length(runtime));
  if (name == "revindex") return Value::integer(*length(runtime) - index0_);
  if (name == "revindex0") return Value::integer(*length(runtime) - index0_ - 1);
  if (name == "depth") return Value::integer(depth0_ + 1);
  if (name == "depth0") return Value::integer(depth0_);
  if (name == "previtem") return index0_ == 0 ? Value::undefined("there is no previous item") : before_;
  if (name == "nextitem") {
    const Value& next = peek(runtime);
    return next.is(Kind::kMissing) ? Value::undefined("there is no next item") : next;
  }
  const bool cycling = name == "cycle";
  if (!cycling && name != "changed") return Value::missing();
  const auto method =
      cycling ? [](LoopObject& loop, Runtime&, const Args& args) { return loop.cycle(args); }
              : [](LoopObject& loop, Runtime& rt, const Args& args) { return loop.changed(rt, args); };
  // The loop lives at least as long as its slot, which the caller holds; sharing it keeps a stored method
  // valid.
  return Value(Kind::kObject, std::make_shared<LoopMethod>(shared_from_this(), method));
}

Value LoopObject::cycle(const Args& args) const {
  if (!args.keywords.empty()) fail_type("cycle() takes no keyword arguments");
  if (args.positional.empty()) fail_type("no items for cycling given");
  return args.positional[static_cast<std::size_t>(index0_) % args.positional.size()];
}

Value LoopObject::changed(Runtime& runtime, const Args& args) {
  if (!args.keywords.empty()) fail_type("changed() takes no keyword arguments");
  const Value now = runtime.tuple(args.positional);
  if (!last_changed_.is(Kind::kMissing) && equal(runtime.budget, last_changed_, now))
    return Value::boolean(false);
  last_changed_ = now;
  if (!kept_ && now.depth() > 1) {  // the value may lead back to this loop
    runtime.keep(std::static_pointer_cast<Object>(shared_from_this()));
    kept_ = true;
  }
  return Value::boolean(true);
}

Value LoopObject::call(Runtime&, Args& args) {
  if (!closure_) fail_type("The loop must have the 'recursive' marker to be called recursively.");
  const Parameters given(args, "loop", {"iterable"}, 1);
  return interpreter_.call_loop(node_, closure_, given[0], depth0_ + 1);
}

std::string LoopObject::text_form(Runtime& runtime) const {
  const auto size = const_cast<LoopObject*>(this)->length(runtime);
  return fmt::format("<LoopContext {}/{}>", index0_ + 1, *size);
}

void LoopObject::empty() {
  iterable_ = after_ = current_ = before_ = last_changed_ = Value::missing();
  iterator_.reset();
  rest_.clear();
}

Value MacroObject::call(Runtime&, Args& args) { return interpreter_.call_macro(node_, closure_, args); }

Value MacroObject::attribute(Runtime& runtime, std::string_view name) {
  const auto& names = node_.signature.names;
  if (name == "name") return node_.name.empty() ? Value::none() : runtime.string(node_.name);
  if (name == "caller") return Value::boolean(node_.macro.takes_caller);
  if (name == "catch_kwargs") return Value::boolean(node_.macro.keywords >= 0);
  if (name == "catch_varargs") return Value::boolean(node_.macro.varargs >= 0);
  if (name == "explicit_caller") {
    for (const auto& one : names)
      if (one->text == "caller") return Value::boolean(true);
    return Value::boolean(false);
  }
  if (name != "arguments") return Value::missing();
  std::vector<Value> out;
  for (const auto& one : names) out.push_back(runtime.string(one->text));
  return runtime.tuple(std::move(out));
}

std::string MacroObject::text_form(Runtime&) const {
  return fmt::format("<Macro {}>", node_.name.empty() ? "anonymous" : quote_python(node_.name));
}

}  // namespace attune::text::jinja
