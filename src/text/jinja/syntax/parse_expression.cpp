#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "text/jinja/syntax/parser.h"

namespace attune::text::jinja {
/// Counts one level of nesting while it lives.
class ExpressionParser::Guard {
 public:
  explicit Guard(ExpressionParser& parser) : parser_(parser) {
    if (++parser_.depth_ > kMaxSyntaxDepth) {
      --parser_.depth_;
      throw Failure(FailureKind::kLimit, fmt::format("nested deeper than {} levels", kMaxSyntaxDepth),
                    parser_.current().line);
    }
  }
  ~Guard() { --parser_.depth_; }
  Guard(const Guard&) = delete;
  Guard& operator=(const Guard&) = delete;

 private:
  ExpressionParser& parser_;
};

ExpressionPtr ExpressionParser::make(ExpressionKind kind, int line) {
  auto node = std::make_unique<Expression>();
  node->kind = kind;
  node->line = line;
  return node;
}

void ExpressionParser::adopt(Expression& parent, ExpressionPtr child) const {
  if (child) parent.depth = std::max(parent.depth, child->depth + 1);
  if (parent.depth > kMaxSyntaxDepth)
    throw Failure(FailureKind::kLimit, fmt::format("an expression of more than {} levels", kMaxSyntaxDepth),
                  parent.line);
  parent.children.push_back(std::move(child));
}

ExpressionPtr ExpressionParser::binary(ExpressionKind kind, ExpressionPtr left, ExpressionPtr right, int line,
                                       Operation operation) const {
  auto node = make(kind, line);
  node->operation = operation;
  adopt(*node, std::move(left));
  adopt(*node, std::move(right));
  return node;
}

ExpressionPtr ExpressionParser::parse_expression(bool conditional) {
  return conditional ? parse_conditional() : parse_or();
}

ExpressionPtr ExpressionParser::parse_conditional() {
  const Guard guard(*this);
  int line = current().line;
  auto value = parse_or();
  while (skip_name("if")) {
    auto node = make(ExpressionKind::kConditional, line);
    adopt(*node, parse_or());
    adopt(*node, std::move(value));
    adopt(*node, skip_name("else") ? parse_conditional() : nullptr);
    value = std::move(node);
    line = current().line;
  }
  return value;
}

ExpressionPtr ExpressionParser::parse_or() {
  auto left = parse_and();
  while (is_name("or")) {
    const int line = advance().line;
    left = binary(ExpressionKind::kOr, std::move(left), parse_and(), line);
  }
  return left;
}

ExpressionPtr ExpressionParser::parse_and() {
  auto left = parse_not();
  while (is_name("and")) {
    const int line = advance().line;
    left = binary(ExpressionKind::kAnd, std::move(left), parse_not(), line);
  }
  return left;
}

ExpressionPtr ExpressionParser::parse_not() {
  if (!is_name("not")) return parse_compare();
  const Guard guard(*this);
  auto node = make(ExpressionKind::kNot, advance().line);
  adopt(*node, parse_not());
  return node;
}

bool ExpressionParser::comparison(Comparison& out) {
  static constexpr std::array<const char*, 6> kOperators = {"==", "!=", "<", "<=", ">", ">="};
  for (std::size_t i = 0; i < kOperators.size(); ++i)
    if (skip_operator(kOperators[i])) {
      out = static_cast<Comparison>(i);
      return true;
    }
  if (skip_name("in")) {
    out = Comparison::kIn;
    return true;
  }
  if (!is_name("not") || look().type != TokenType::kName || look().text != "in") return false;
  advance();
  advance();
  out = Comparison::kNotIn;
  return true;
}

ExpressionPtr ExpressionParser::parse_compare() {
  const int line = current().line;
  auto first = parse_sum();
  ExpressionPtr node;
  for (Comparison how{}; comparison(how);) {
    if (!node) {
      node = make(ExpressionKind::kCompare, line);
      adopt(*node, std::move(first));
    }
    node->comparisons.push_back(how);
    adopt(*node, parse_sum());
  }
  return node ? std::move(node) : std::move(first);
}

ExpressionPtr ExpressionParser::parse_sum() {
  auto left = parse_concat();
  while (is_operator("+") || is_operator("-")) {
    const Operation operation = is_operator("+") ? Operation::kAdd : Operation::kSubtract;
    const int line = advance().line;
    left = binary(ExpressionKind::kArithmetic, std::move(left), parse_concat(), line, operation);
  }
  return left;
}

ExpressionPtr ExpressionParser::parse_concat() {
  auto first = parse_product();
  if (!is_operator("~")) return first;
  auto node = make(ExpressionKind::kConcat, current().line);
  adopt(*node, std::move(first));
  while (skip_operator("~")) adopt(*node, parse_product());
  return node;
}

ExpressionPtr ExpressionParser::parse_product() {
  auto left = parse_power();
  while (is_operator("*") || is_operator("/") || is_operator("//") || is_operator("%")) {
    const std::string symbol = current().text;
    const Operation operation = symbol == "*"    ? Operation::kMultiply
                                : symbol == "/"  ? Operation::kDivide
                                : symbol == "//" ? Operation::kFloorDivide
                                                 : Operation::kModulo;
    const int line = advance().line;
    left = binary(ExpressionKind::kArithmetic, std::move(left), parse_power(), line, operation);
  }
  return left;
}

ExpressionPtr ExpressionParser::parse_power() {
  auto left = parse_unary(true);
  while (is_operator("**")) {
    const int line = advance().line;
    left = binary(ExpressionKind::kArithmetic, std::move(left), parse_unary(true), line, Operation::kPower);
  }
  return left;
}

ExpressionPtr ExpressionParser::parse_unary(bool with_filter) {
  const Guard guard(*this);
  ExpressionPtr node;
  if (is_operator("-") || is_operator("+")) {
    node = make(is_operator("-") ? ExpressionKind::kNegate : ExpressionKind::kPosit, current().line);
    advance();
    adopt(*node, parse_unary(false));
  } else {
    node = parse_primary();
  }
  node = parse_postfix(std::move(node));
  return with_filter ? parse_filter_suffix(std::move(node)) : std::move(node);
}

ExpressionPtr ExpressionParser::parse_test(ExpressionPtr node) {
  const int line = advance().line;
  const bool negated = skip_name("not");
  auto out = make(ExpressionKind::kTest, line);
  out->text = dotted_name();
  adopt(*out, std::move(node));
  const TokenType type = current().type;
  const bool literal = type == TokenType::kName || type == TokenType::kString ||
                       type == TokenType::kInteger || type == TokenType::kFloat || is_operator("[") ||
                       is_operator("{");
  if (is_operator("(")) {
    parse_arguments(*out);
  } else if (literal && !is_name("else") && !is_name("or") && !is_name("and")) {
    if (is_name("is")) fail("You cannot chain multiple tests with is");
    const Guard guard(*this);
    adopt(*out, parse_postfix(parse_primary()));
    out->call.positional = 1;
  }
  if (!negated) return out;
  auto inverse = make(ExpressionKind::kNot, line);
  adopt(*inverse, std::move(out));
  return inverse;
}

}  // namespace attune::text::jinja
