// What may follow an expression: subscripts, attributes, calls, filters.
#include <fmt/format.h>

#include <algorithm>
#include <array>

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

}  // namespace attune::text::jinja
