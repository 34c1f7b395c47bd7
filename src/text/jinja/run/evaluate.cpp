// Expressions.
#include <fmt/format.h>

#include "text/jinja/run/interpreter.h"

namespace attune::text::jinja {

Value& Interpreter::variable(const Slot& slot, Activation& at) {
  Activation* where = &at;
  for (int i = 0; i < slot.hops; ++i) where = where->parent;
  return where->slots[static_cast<std::size_t>(slot.index)];
}

Value Interpreter::resolve(const std::string& name) const {
  if (const Value* found = context_.as_dict().find(std::string_view(name))) return *found;
  return find_global(name);
}

Value Interpreter::evaluate(const Expression& node, Activation& at) {
  if (node.kind == ExpressionKind::kConstant || node.kind == ExpressionKind::kData) return node.constant;
  const Budget::Nested nested(runtime_.budget);
  runtime_.budget.step();
  line_ = node.line;
  const auto child = [&](std::size_t index) { return evaluate(*node.children[index], at); };
  switch (node.kind) {
    case ExpressionKind::kName:
      return name(node, at);
    case ExpressionKind::kTuple:
      return runtime_.tuple(evaluate_all(node, at));
    case ExpressionKind::kList:
      return runtime_.list(evaluate_all(node, at));
    case ExpressionKind::kDict:
      return dict(node, at);
    case ExpressionKind::kNegate:
      return negate(child(0));
    case ExpressionKind::kPosit:
      return posit(child(0));
    case ExpressionKind::kNot:
      return Value::boolean(!truthy(child(0)));
    case ExpressionKind::kArithmetic: {
      const Value left = child(0);
      return arithmetic(runtime_, node.operation, left, child(1));
    }
    case ExpressionKind::kAnd: {
      Value left = child(0);
      return truthy(left) ? child(1) : left;
    }
    case ExpressionKind::kOr: {
      Value left = child(0);
      return truthy(left) ? left : child(1);
    }
    case ExpressionKind::kConcat:
      return concatenate(node, at);
    case ExpressionKind::kCompare:
      return compare(node, at);
    case ExpressionKind::kConditional:
      return conditional(node, at);
    case ExpressionKind::kAttribute:
      return runtime_.attribute(child(0), node.text);
    case ExpressionKind::kItem:
      return item(node, at);
    case ExpressionKind::kCall:
      return call(node, at, nullptr);
    case ExpressionKind::kFilter:
    case ExpressionKind::kTest:
      return apply(node, at, nullptr);
    default:
      fail_type("this expression has no value");
  }
}

Value Interpreter::name(const Expression& node, Activation& at) {
  const Value& value = variable(node.slot, at);
  return value.is(Kind::kMissing) ? Value::undefined(fmt::format("'{}' is undefined", node.text)) : value;
}

std::vector<Value> Interpreter::evaluate_all(const Expression& node, Activation& at) {
  std::vector<Value> values;
  values.reserve(node.children.size());
  for (const auto& child : node.children) values.push_back(evaluate(*child, at));
  return values;
}

Value Interpreter::dict(const Expression& node, Activation& at) {
  auto dict = std::make_shared<DictData>();
  for (std::size_t i = 0; i + 1 < node.children.size(); i += 2) {
    Value key = evaluate(*node.children[i], at);
    dict->set(std::move(key), evaluate(*node.children[i + 1], at));
  }
  return make_dict(runtime_.budget, std::move(dict));
}

Value Interpreter::conditional(const Expression& node, Activation& at) {
  if (truthy(evaluate(*node.children[0], at))) return evaluate(*node.children[1], at);
  if (node.children[2]) return evaluate(*node.children[2], at);
  return Value::undefined(fmt::format(
      "the inline if-expression on line {} evaluated to false and no else section was defined.", node.line));
}

bool Interpreter::compare(Comparison how, const Value& left, const Value& right) {
  Budget& budget = runtime_.budget;
  switch (how) {
    case Comparison::kEqual:
      return equal(budget, left, right);
    case Comparison::kNotEqual:
      return !equal(budget, left, right);
    case Comparison::kIn:
      return runtime_.contains(right, left);
    case Comparison::kNotIn:
      return !runtime_.contains(right, left);
    case Comparison::kLess:
      return runtime_.less(left, right);
    case Comparison::kLessEqual:
      return runtime_.less_equal(left, right);
    case Comparison::kGreater:
      return runtime_.less(right, left, ">");
    case Comparison::kGreaterEqual:
      return runtime_.less_equal(right, left, ">=");
  }
  return false;
}

Value Interpreter::compare(const Expression& node, Activation& at) {
  Value left = evaluate(*node.children[0], at);
  for (std::size_t i = 0; i < node.comparisons.size(); ++i) {
    Value right = evaluate(*node.children[i + 1], at);
    if (!compare(node.comparisons[i], left, right)) return Value::boolean(false);
    left = std::move(right);
  }
  return Value::boolean(true);
}

Value Interpreter::concatenate(const Expression& node, Activation& at) {
  std::string out;
  for (const auto& value : evaluate_all(node, at)) {
    out += text_of(runtime_, value);
    runtime_.budget.check_text(out.size());
  }
  return runtime_.string(std::move(out));
}

Value Interpreter::item(const Expression& node, Activation& at) {
  const Value value = evaluate(*node.children[0], at);
  const Expression& key = *node.children[1];
  if (key.kind != ExpressionKind::kSlice) return runtime_.item(value, evaluate(key, at));
  Value bounds[3] = {Value::none(), Value::none(), Value::none()};
  for (std::size_t i = 0; i < 3; ++i)
    if (key.children[i]) bounds[i] = evaluate(*key.children[i], at);
  return runtime_.slice(value, bounds[0], bounds[1], bounds[2]);
}

Args Interpreter::arguments(const Expression& node, Activation& at) {
  Args args;
  std::size_t child = 1;
  args.positional.reserve(node.call.positional);
  for (std::size_t i = 0; i < node.call.positional; ++i)
    args.positional.push_back(evaluate(*node.children[child++], at));
  for (const auto& keyword : node.call.keywords)
    args.keywords.emplace_back(keyword, evaluate(*node.children[child++], at));
  if (node.call.star) {
    for (auto& value : runtime_.collect(evaluate(*node.children[child++], at)))
      args.positional.push_back(std::move(value));
  }
  if (!node.call.double_star) return args;
  const Value more = evaluate(*node.children[child], at);
  if (!more.is(Kind::kDict))
    fail_type(fmt::format("argument after ** must be a mapping, not {}", type_name(more)));
  for (const auto& [key, value] : more.as_dict().entries) {
    if (!key.is_string()) fail_type("keywords must be strings");
    if (args.keyword(key.text()))
      fail_type(fmt::format("got multiple values for keyword argument '{}'", key.text()));
    args.keywords.emplace_back(key.text(), value);
  }
  return args;
}

Value Interpreter::call(const Expression& node, Activation& at, const Value* caller) {
  const Value callee = evaluate(*node.children[0], at);
  Args args = arguments(node, at);
  if (caller) {
    if (args.keyword("caller")) fail_type("got multiple values for keyword argument 'caller'");
    args.keywords.emplace_back("caller", *caller);
  }
  line_ = node.line;
  Value result = runtime_.call(callee, args);
  line_ = node.line;
  return result;
}

Value Interpreter::apply(const Expression& node, Activation& at, const Value* block_text) {
  const Value input = node.children[0] ? evaluate_input(node, at, block_text) : *block_text;
  const Args args = arguments(node, at);
  line_ = node.line;
  if (!node.function)
    throw Failure(FailureKind::kTemplate,
                  fmt::format("No {} named '{}' found.",
                              node.kind == ExpressionKind::kFilter ? "filter" : "test", node.text));
  Value result = node.function(runtime_, input, args);
  line_ = node.line;
  return result;
}

Value Interpreter::evaluate_input(const Expression& node, Activation& at, const Value* block_text) {
  const Expression& input = *node.children[0];
  const bool chained = block_text && input.kind == ExpressionKind::kFilter;  // `{% filter a|b %}`
  return chained ? apply(input, at, block_text) : evaluate(input, at);
}

}  // namespace attune::text::jinja
