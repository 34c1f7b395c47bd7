// Statements.
#include <fmt/format.h>

#include "text/jinja/run/frame.h"

namespace attune::text::jinja {
namespace {

/// The items of `for … if`, tested one at a time as the loop asks for them.
class ConditionIterator : public Iterator {
 public:
  ConditionIterator(Interpreter& interpreter, const Statement& node, Value iterable, Activation& outer)
      : interpreter_(interpreter),
        node_(node),
        iterable_(std::move(iterable)),
        variables_(node.condition_function, &outer) {
    deepen(*this, iterable_);
  }
  bool next(Runtime& runtime, Value& item) override {
    if (!source_) {
      source_ = runtime.iterate(iterable_);
      interpreter_.enter(node_.condition_scope, variables_);
    }
    while (source_->next(runtime, item)) {
      interpreter_.assign(*node_.condition_target, item, variables_);
      if (!truthy(interpreter_.evaluate(*node_.condition, variables_))) continue;
      item = rebuilt(runtime, *node_.condition_target);
      return true;
    }
    return false;
  }

 private:
  /// jinja2 passes on what it unpacked: with several names, a new tuple.
  Value rebuilt(Runtime& runtime, const Expression& target) {
    if (target.kind != ExpressionKind::kTuple) return interpreter_.evaluate(target, variables_);
    std::vector<Value> parts;
    for (const auto& part : target.children) parts.push_back(rebuilt(runtime, *part));
    return runtime.tuple(std::move(parts));
  }

  Interpreter& interpreter_;
  const Statement& node_;
  Value iterable_;
  std::shared_ptr<Iterator> source_;
  Activation variables_;
};

}  // namespace

void Interpreter::run() {
  Frame frame(*this, program_.function, nullptr);
  enter(program_.scope, *frame);
  execute(program_.body, *frame);
  for (const auto& [start, text] : inner_spans_)
    if (out_.compare(start, text.size(), text) != 0) spans_reliable_ = false;
}

Interpreter::Flow Interpreter::execute(const Body& body, Activation& at) {
  for (const auto& statement : body)
    if (const Flow flow = execute(*statement, at); flow != Flow::kNext) return flow;
  return Flow::kNext;
}

Interpreter::Flow Interpreter::execute(const Statement& node, Activation& at) {
  const Budget::Nested nested(runtime_.budget);
  runtime_.budget.step();
  line_ = node.line;
  switch (node.kind) {
    case StatementKind::kOutput:
      output(node, at);
      break;
    case StatementKind::kFor:
      return loop(node, at);
    case StatementKind::kIf:
      return branch(node, at);
    case StatementKind::kMacro:
      variable(node.name_slot, at) = Value(Kind::kObject, std::make_shared<MacroObject>(*this, node, &at));
      break;
    case StatementKind::kCallBlock:
      call_block(node, at);
      break;
    case StatementKind::kGeneration:
      generation(node, at);
      break;
    case StatementKind::kFilterBlock:
      return filter_block(node, at);
    case StatementKind::kWith:
      return with(node, at);
    case StatementKind::kSet:
      set(node, at);
      break;
    case StatementKind::kSetBlock:
      return set_block(node, at);
    case StatementKind::kBreak:
      return Flow::kBreak;
    case StatementKind::kContinue:
      return Flow::kContinue;
  }
  return Flow::kNext;
}

void Interpreter::write(const Value& value) {
  if (value.is_string())
    *sink_ += value.text();
  else
    *sink_ += text_of(runtime_, value);
  runtime_.budget.check_text(sink_->size());
}

void Interpreter::write_text(const Value& value) {
  if (!value.is_string()) fail_type(fmt::format("expected str instance, {} found", type_name(value)));
  write(value);
}

void Interpreter::output(const Statement& node, Activation& at) {
  for (const auto& output : node.outputs) {
    if (output->kind == ExpressionKind::kData) {
      runtime_.budget.work(output->constant.text().size());
      write(output->constant);
      continue;
    }
    line_ = output->line;
    write(evaluate(*output, at));
  }
}

Interpreter::Flow Interpreter::branch(const Statement& node, Activation& at) {
  if (truthy(evaluate(*node.value, at))) return execute(node.body, at);
  for (const auto& other : node.branches) {
    line_ = other->line;
    if (truthy(evaluate(*other->value, at))) return execute(other->body, at);
  }
  return execute(node.otherwise, at);
}

void Interpreter::enter(const Scope& scope, Activation& at) {
  for (const auto& load : scope.loads) {
    Value& slot = at.slots[static_cast<std::size_t>(load.index)];
    if (load.action == Load::Action::kResolve)
      slot = resolve(load.name);
    else if (load.action == Load::Action::kAlias)
      slot = variable(load.source, at);
    else
      slot = Value::missing();
  }
}

void Interpreter::leave(const Scope& scope, Activation& at) {
  for (const int index : scope.slots) at.slots[static_cast<std::size_t>(index)] = Value::missing();
}

Value Interpreter::filtered(const Statement& node, const Value& iterable, Activation& at) {
  if (!node.condition) return iterable;
  return Value(Kind::kIterator, std::make_shared<ConditionIterator>(*this, node, iterable, at));
}

Interpreter::Flow Interpreter::loop(const Statement& node, Activation& at) {
  const Value iterable = evaluate(*node.value, at);
  if (node.recursive) {
    write(call_loop(node, &at, iterable, 0));
    return Flow::kNext;
  }
  return loop_body(node, at, filtered(node, iterable, at), nullptr, 0);
}

Value Interpreter::call_loop(const Statement& node, Activation* closure, const Value& iterable,
                             std::int64_t depth) {
  const Budget::Call counted(runtime_.budget);
  Frame frame(*this, node.recursion, closure);
  Capture capture(*this);
  loop_body(node, *frame, filtered(node, iterable, *closure), closure, depth);
  return capture.take();
}

Interpreter::Flow Interpreter::loop_body(const Statement& node, Activation& at, const Value& iterable,
                                         Activation* closure, std::int64_t depth) {
  const auto iterator = runtime_.iterate(iterable);
  std::shared_ptr<LoopObject> loop;
  Value loop_value = Value::missing();
  if (node.loop_slot >= 0) {
    loop = std::make_shared<LoopObject>(*this, node, closure, iterable, iterator, depth);
    loop_value = Value(Kind::kObject, loop);
  }
  bool completed = false;  // jinja2 runs `else` unless some turn reached its end
  for (Value item; loop ? loop->advance(runtime_, item) : iterator->next(runtime_, item);) {
    const Flow flow = turn(node, at, std::move(item), loop_value);
    if (flow == Flow::kBreak) break;
    completed = completed || flow == Flow::kNext;
  }
  leave(node.scope, at);
  if (completed || node.otherwise.empty()) return Flow::kNext;
  enter(node.else_scope, at);
  const Flow flow = execute(node.otherwise, at);
  leave(node.else_scope, at);
  return flow;
}

Interpreter::Flow Interpreter::turn(const Statement& node, Activation& at, Value item,
                                    const Value& loop_value) {
  runtime_.budget.step();
  assign(*node.target, std::move(item), at);
  if (node.loop_slot >= 0) at.slots[static_cast<std::size_t>(node.loop_slot)] = loop_value;
  enter(node.scope, at);
  return execute(node.body, at);
}

Interpreter::Flow Interpreter::filter_block(const Statement& node, Activation& at) {
  enter(node.scope, at);
  Value text;
  {
    Capture capture(*this);
    if (const Flow flow = execute(node.body, at); flow != Flow::kNext) return flow;
    text = capture.take();
  }
  write_text(apply(*node.value, at, &text));
  leave(node.scope, at);
  return Flow::kNext;
}

Interpreter::Flow Interpreter::set_block(const Statement& node, Activation& at) {
  enter(node.scope, at);
  Value text;
  {
    Capture capture(*this);
    if (const Flow flow = execute(node.body, at); flow != Flow::kNext) return flow;
    text = capture.take();
  }
  Value value = node.value ? apply(*node.value, at, &text) : text;
  check_namespaces(*node.target, at);
  assign(*node.target, std::move(value), at);
  leave(node.scope, at);
  return Flow::kNext;
}

Interpreter::Flow Interpreter::with(const Statement& node, Activation& at) {
  enter(node.scope, at);
  for (std::size_t i = 0; i < node.targets.size(); ++i)
    assign(*node.targets[i], evaluate(*node.values[i], at), at);
  const Flow flow = execute(node.body, at);
  if (flow == Flow::kNext) leave(node.scope, at);
  return flow;
}

void Interpreter::set(const Statement& node, Activation& at) {
  check_namespaces(*node.target, at);
  assign(*node.target, evaluate(*node.value, at), at);
}

void Interpreter::check_namespaces(const Expression& target, Activation& at) {
  if (target.kind == ExpressionKind::kNamespaceRef && !is_namespace(variable(target.slot, at)))
    throw Failure(FailureKind::kTemplate, "cannot assign attribute on non-namespace object");
  for (const auto& child : target.children) check_namespaces(*child, at);
}

void Interpreter::assign(const Expression& target, Value value, Activation& at) {
  if (target.kind == ExpressionKind::kName) {
    variable(target.slot, at) = std::move(value);
    return;
  }
  if (target.kind == ExpressionKind::kNamespaceRef) {
    set_namespace_attribute(variable(target.slot, at), target.attribute, std::move(value));
    return;
  }
  const auto items = runtime_.collect(value);
  if (items.size() != target.children.size())
    fail_value(fmt::format("cannot unpack {} values into {} names", items.size(), target.children.size()));
  for (std::size_t i = 0; i < items.size(); ++i) assign(*target.children[i], items[i], at);
}

}  // namespace attune::text::jinja
