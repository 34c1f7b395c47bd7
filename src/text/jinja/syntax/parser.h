// From tokens to the syntax tree; the same grammar as jinja2's parser.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "text/jinja/syntax/ast.h"
#include "text/jinja/syntax/lexer.h"

namespace attune::text::jinja {

/// Reads expressions; the statement parser builds on it.
class ExpressionParser {
 public:
  explicit ExpressionParser(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

 protected:
  struct TupleOptions {
    bool simplified = false;   ///< names and literals only
    bool conditional = true;   ///< `a if b else c` allowed
    bool parentheses = false;  ///< may be empty
    bool namespaces = false;
    const char* end_name = nullptr;  ///< a name that ends the tuple
  };

  const Token& current() const { return tokens_[at_]; }
  const Token& look() const { return tokens_[std::min(at_ + 1, tokens_.size() - 1)]; }
  const Token& advance() { return at_ + 1 < tokens_.size() ? tokens_[at_++] : tokens_[at_]; }
  bool is_operator(const char* text) const {
    return current().type == TokenType::kOperator && current().text == text;
  }
  bool is_name(const char* text) const {
    return current().type == TokenType::kName && current().text == text;
  }
  bool skip_operator(const char* text);
  bool skip_name(const char* text);
  void expect_operator(const char* text);
  void expect(TokenType type, const char* what);
  std::string expect_name();
  [[noreturn]] void fail(const std::string& message, int line = 0) const;
  [[noreturn]] void fail_expected(const std::string& what) const;

  ExpressionPtr parse_expression(bool conditional = true);
  ExpressionPtr parse_tuple() { return parse_tuple(TupleOptions()); }
  ExpressionPtr parse_tuple(const TupleOptions& options);
  ExpressionPtr parse_primary(bool namespaces = false);
  /// `|name(…)|…` on `node` (null: the text of a block). With `inline_start`, the first bar is left out.
  ExpressionPtr parse_filters(ExpressionPtr node, bool inline_start);

  static ExpressionPtr make(ExpressionKind kind, int line);
  /// Adds a child and keeps count of the depth.
  void adopt(Expression& parent, ExpressionPtr child) const;

 private:
  class Guard;
  ExpressionPtr parse_conditional();
  ExpressionPtr parse_or();
  ExpressionPtr parse_and();
  ExpressionPtr parse_not();
  ExpressionPtr parse_compare();
  ExpressionPtr parse_sum();
  ExpressionPtr parse_concat();
  ExpressionPtr parse_product();
  ExpressionPtr parse_power();
  ExpressionPtr parse_unary(bool with_filter);
  ExpressionPtr parse_list();
  ExpressionPtr parse_dict();
  ExpressionPtr parse_postfix(ExpressionPtr node);
  ExpressionPtr parse_filter_suffix(ExpressionPtr node);
  ExpressionPtr parse_subscript(ExpressionPtr node);
  ExpressionPtr parse_subscribed();
  ExpressionPtr parse_call(ExpressionPtr node);
  ExpressionPtr parse_test(ExpressionPtr node);
  void parse_arguments(Expression& node);
  void parse_argument(Expression& node, std::vector<ExpressionPtr>& keyword_values, ExpressionPtr& star,
                      ExpressionPtr& double_star, int line);
  std::string dotted_name();
  bool comparison(Comparison& out);
  ExpressionPtr binary(ExpressionKind kind, ExpressionPtr left, ExpressionPtr right, int line,
                       Operation operation = Operation::kAdd) const;
  ExpressionPtr name_or_constant(const Token& token, bool namespaces);
  bool at_tuple_end(const TupleOptions& options) const;

  std::vector<Token> tokens_;
  std::size_t at_ = 0;

 protected:
  int depth_ = 0;
};

/// @throws Failure with the line.
Body parse_template(std::string_view source);

}  // namespace attune::text::jinja
