// Names, literals and tuples, and the token helpers.
#include <fmt/format.h>

#include "text/jinja/syntax/parser.h"

namespace attune::text::jinja {
namespace {

std::string describe(const Token& token) {
  switch (token.type) {
    case TokenType::kData:
      return "template data / text";
    case TokenType::kBlockBegin:
      return "begin of statement block";
    case TokenType::kBlockEnd:
      return "end of statement block";
    case TokenType::kVariableBegin:
      return "begin of print statement";
    case TokenType::kVariableEnd:
      return "end of print statement";
    case TokenType::kString:
      return "string";
    case TokenType::kInteger:
      return "integer";
    case TokenType::kFloat:
      return "float";
    case TokenType::kEnd:
      return "end of template";
    default:
      return token.text;
  }
}

}  // namespace

bool ExpressionParser::skip_operator(const char* text) {
  const bool found = is_operator(text);
  if (found) advance();
  return found;
}

bool ExpressionParser::skip_name(const char* text) {
  const bool found = is_name(text);
  if (found) advance();
  return found;
}

void ExpressionParser::expect_operator(const char* text) {
  if (!skip_operator(text)) fail_expected(fmt::format("'{}'", text));
}

void ExpressionParser::expect(TokenType type, const char* what) {
  if (current().type != type) fail_expected(what);
  advance();
}

std::string ExpressionParser::expect_name() {
  if (current().type != TokenType::kName) fail_expected("a name");
  return advance().text;
}

void ExpressionParser::fail(const std::string& message, int line) const {
  throw Failure(FailureKind::kSyntax, message, line > 0 ? line : current().line);
}

void ExpressionParser::fail_expected(const std::string& what) const {
  fail(fmt::format("expected {}, got '{}'", what, describe(current())));
}

ExpressionPtr ExpressionParser::name_or_constant(const Token& token, bool namespaces) {
  const std::string& name = token.text;
  auto node = make(ExpressionKind::kConstant, token.line);
  if (name == "true" || name == "True") {
    node->constant = Value::boolean(true);
  } else if (name == "false" || name == "False") {
    node->constant = Value::boolean(false);
  } else if (name == "none" || name == "None") {
    node->constant = Value::none();
  } else {
    node->text = name;
    node->kind = ExpressionKind::kName;
    if (namespaces && skip_operator(".")) {
      node->kind = ExpressionKind::kNamespaceRef;
      node->attribute = expect_name();
    }
  }
  return node;
}

ExpressionPtr ExpressionParser::parse_primary(bool namespaces) {
  const Token token = current();
  switch (token.type) {
    case TokenType::kName:
      advance();
      return name_or_constant(token, namespaces);
    case TokenType::kString: {
      auto node = make(ExpressionKind::kConstant, token.line);
      std::string text;
      while (current().type == TokenType::kString) text += advance().text;
      node->constant = Value::string(std::move(text));
      return node;
    }
    case TokenType::kInteger:
    case TokenType::kFloat: {
      advance();
      auto node = make(ExpressionKind::kConstant, token.line);
      node->constant =
          token.type == TokenType::kFloat ? Value::real(token.number) : Value::integer(token.integer);
      return node;
    }
    default:
      break;
  }
  if (skip_operator("(")) {
    TupleOptions options;
    options.parentheses = true;
    auto node = parse_tuple(options);
    expect_operator(")");
    return node;
  }
  if (is_operator("[")) return parse_list();
  if (is_operator("{")) return parse_dict();
  fail(fmt::format("unexpected '{}'", describe(token)), token.line);
}

bool ExpressionParser::at_tuple_end(const TupleOptions& options) const {
  const TokenType type = current().type;
  return type == TokenType::kVariableEnd || type == TokenType::kBlockEnd || is_operator(")") ||
         (options.end_name && is_name(options.end_name));
}

ExpressionPtr ExpressionParser::parse_tuple(const TupleOptions& options) {
  auto node = make(ExpressionKind::kTuple, current().line);
  bool is_tuple = false;
  while (true) {
    if (!node->children.empty()) expect_operator(",");
    if (at_tuple_end(options)) break;
    adopt(*node,
          options.simplified ? parse_primary(options.namespaces) : parse_expression(options.conditional));
    if (!is_operator(",")) break;
    is_tuple = true;
  }
  if (is_tuple) return node;
  if (!node->children.empty()) return std::move(node->children[0]);
  if (!options.parentheses) fail(fmt::format("Expected an expression, got '{}'", describe(current())));
  return node;
}

ExpressionPtr ExpressionParser::parse_list() {
  auto node = make(ExpressionKind::kList, current().line);
  expect_operator("[");
  while (!is_operator("]")) {
    if (!node->children.empty()) expect_operator(",");
    if (is_operator("]")) break;
    adopt(*node, parse_expression());
  }
  expect_operator("]");
  return node;
}

ExpressionPtr ExpressionParser::parse_dict() {
  auto node = make(ExpressionKind::kDict, current().line);
  expect_operator("{");
  while (!is_operator("}")) {
    if (!node->children.empty()) expect_operator(",");
    if (is_operator("}")) break;
    adopt(*node, parse_expression());
    expect_operator(":");
    adopt(*node, parse_expression());
  }
  expect_operator("}");
  return node;
}

}  // namespace attune::text::jinja
