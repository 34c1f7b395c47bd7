#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "text/jinja/syntax/parser.h"

namespace attune::text::jinja {
namespace {

bool is_python_keyword(const std::string& name) {
  static constexpr std::array<std::string_view, 35> kKeywords = {
      "False", "None",     "True",  "and",    "as",   "assert", "async",  "await",    "break",
      "class", "continue", "def",   "del",    "elif", "else",   "except", "finally",  "for",
      "from",  "global",   "if",    "import", "in",   "is",     "lambda", "nonlocal", "not",
      "or",    "pass",     "raise", "return", "try",  "while",  "with",   "yield"};
  return std::find(kKeywords.begin(), kKeywords.end(), name) != kKeywords.end();
}

}  // namespace

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

ExpressionPtr ExpressionParser::parse_postfix(ExpressionPtr node) {
  while (true) {
    if (is_operator(".") || is_operator("["))
      node = parse_subscript(std::move(node));
    else if (is_operator("("))
      node = parse_call(std::move(node));
    else
      return node;
  }
}

ExpressionPtr ExpressionParser::parse_filter_suffix(ExpressionPtr node) {
  while (true) {
    if (is_operator("|"))
      node = parse_filters(std::move(node), false);
    else if (is_name("is"))
      node = parse_test(std::move(node));
    else if (is_operator("("))
      node = parse_call(std::move(node));
    else
      return node;
  }
}

ExpressionPtr ExpressionParser::parse_subscript(ExpressionPtr node) {
  const bool point = is_operator(".");
  const int line = advance().line;
  if (point && current().type == TokenType::kName) {
    auto out = make(ExpressionKind::kAttribute, line);
    out->text = advance().text;
    adopt(*out, std::move(node));
    return out;
  }
  auto out = make(ExpressionKind::kItem, line);
  adopt(*out, std::move(node));
  if (point) {
    if (current().type != TokenType::kInteger) fail("expected name or number");
    auto index = make(ExpressionKind::kConstant, line);
    index->constant = Value::integer(advance().integer);
    adopt(*out, std::move(index));
    return out;
  }
  auto keys = make(ExpressionKind::kTuple, line);
  while (!is_operator("]")) {
    if (!keys->children.empty()) expect_operator(",");
    adopt(*keys, parse_subscribed());
  }
  expect_operator("]");
  const bool single = keys->children.size() == 1;
  for (const auto& key : keys->children)
    if (!single && key->kind == ExpressionKind::kSlice) fail("slices in tuples are not supported");
  adopt(*out, single ? std::move(keys->children[0]) : std::move(keys));
  return out;
}

ExpressionPtr ExpressionParser::parse_subscribed() {
  const int line = current().line;
  ExpressionPtr start, stop, step;
  if (!is_operator(":")) {
    start = parse_expression();
    if (!is_operator(":")) return start;
  }
  advance();
  const auto bound = [&] { return !is_operator(":") && !is_operator("]") && !is_operator(","); };
  if (bound()) stop = parse_expression();
  if (skip_operator(":") && !is_operator("]") && !is_operator(",")) step = parse_expression();
  auto out = make(ExpressionKind::kSlice, line);
  adopt(*out, std::move(start));
  adopt(*out, std::move(stop));
  adopt(*out, std::move(step));
  return out;
}

void ExpressionParser::parse_argument(Expression& node, std::vector<ExpressionPtr>& keyword_values,
                                      ExpressionPtr& star, ExpressionPtr& double_star, int line) {
  const auto ensure = [&](bool valid) {
    if (!valid) fail("invalid syntax for function call expression", line);
  };
  if (skip_operator("*")) {
    ensure(!star && !double_star);
    star = parse_expression();
  } else if (skip_operator("**")) {
    ensure(!double_star);
    double_star = parse_expression();
  } else if (current().type == TokenType::kName && look().type == TokenType::kOperator &&
             look().text == "=") {
    ensure(!double_star);
    node.call.keywords.push_back(advance().text);
    advance();
    keyword_values.push_back(parse_expression());
  } else {
    ensure(!star && !double_star && node.call.keywords.empty());
    adopt(node, parse_expression());
    ++node.call.positional;
  }
}

void ExpressionParser::parse_arguments(Expression& node) {
  const int line = current().line;
  expect_operator("(");
  std::vector<ExpressionPtr> keyword_values;
  ExpressionPtr star, double_star;
  for (bool first = true; !is_operator(")"); first = false) {
    if (!first) {
      expect_operator(",");
      if (is_operator(")")) break;
    }
    parse_argument(node, keyword_values, star, double_star, line);
  }
  expect_operator(")");
  auto& keywords = node.call.keywords;
  const bool as_dict = std::any_of(keywords.begin(), keywords.end(), is_python_keyword);
  for (std::size_t i = 0; i < keywords.size() && !as_dict; ++i)  // Python refuses to compile doubled keywords
    if (std::count(keywords.begin(), keywords.end(), keywords[i]) > 1)
      fail(fmt::format("keyword argument repeated: {}", keywords[i]), line);
  for (auto& value : keyword_values) adopt(node, std::move(value));
  node.call.star = star != nullptr;
  node.call.double_star = double_star != nullptr;
  if (star) adopt(node, std::move(star));
  if (double_star) adopt(node, std::move(double_star));
}

ExpressionPtr ExpressionParser::parse_call(ExpressionPtr node) {
  auto out = make(ExpressionKind::kCall, current().line);
  adopt(*out, std::move(node));
  parse_arguments(*out);
  return out;
}

std::string ExpressionParser::dotted_name() {
  std::string name = expect_name();
  while (skip_operator(".")) name += "." + expect_name();
  return name;
}

ExpressionPtr ExpressionParser::parse_filters(ExpressionPtr node, bool inline_start) {
  while (inline_start || is_operator("|")) {
    if (!inline_start) advance();
    inline_start = false;
    auto out = make(ExpressionKind::kFilter, current().line);
    out->text = dotted_name();
    adopt(*out, std::move(node));
    if (is_operator("(")) parse_arguments(*out);
    node = std::move(out);
  }
  return node;
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
