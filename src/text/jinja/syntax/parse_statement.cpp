#include <array>

#include <fmt/format.h>

#include "text/jinja/syntax/parser.h"

namespace attune::text::jinja {
namespace {

using Names = std::vector<const char*>;

class StatementParser : public ExpressionParser {
 public:
  using ExpressionParser::ExpressionParser;

  Body run() { return parse_body({}); }

 private:
  static StatementPtr make_statement(StatementKind kind, int line) {
    auto node = std::make_unique<Statement>();
    node->kind = kind;
    node->line = line;
    return node;
  }

  bool at_any(const Names& names) const {
    for (const char* name : names)
      if (is_name(name)) return true;
    return false;
  }

  /// Statements up to one of the end tags, which stays the current token.
  Body parse_body(const Names& ends) {
    if (++depth_ > kMaxSyntaxDepth)
      throw Failure(FailureKind::kLimit, fmt::format("blocks nested deeper than {} levels", kMaxSyntaxDepth),
                    current().line);
    Body body;
    while (current().type != TokenType::kEnd) {
      if (current().type != TokenType::kBlockBegin) {
        add_output(body);
        continue;
      }
      advance();
      if (at_any(ends)) {
        --depth_;
        return body;
      }
      body.push_back(parse_statement(ends));
      expect(TokenType::kBlockEnd, "end of statement block");
    }
    if (!ends.empty()) fail(fmt::format("Unexpected end of template; '{}' is missing", ends.back()));
    --depth_;
    return body;
  }

  /// Text or a print statement, put into one output with its neighbours.
  void add_output(Body& body) {
    if (body.empty() || body.back()->kind != StatementKind::kOutput)
      body.push_back(make_statement(StatementKind::kOutput, current().line));
    auto& outputs = body.back()->outputs;
    if (current().type == TokenType::kData) {
      auto node = make(ExpressionKind::kData, current().line);
      node->constant = Value::string(advance().text);
      outputs.push_back(std::move(node));
      return;
    }
    expect(TokenType::kVariableBegin, "begin of print statement");
    outputs.push_back(parse_tuple());
    expect(TokenType::kVariableEnd, "end of print statement");
  }

  /// The rest of an opening tag, and the body up to one of `ends`.
  Body parse_block(const Names& ends, bool drop_end) {
    skip_operator(":");
    expect(TokenType::kBlockEnd, "end of statement block");
    Body body = parse_body(ends);
    if (drop_end) advance();
    return body;
  }

  StatementPtr parse_statement(const Names& ends) {
    if (current().type != TokenType::kName) fail("tag name expected");
    const std::string tag = current().text;
    if (tag == "set") return parse_set();
    if (tag == "if") return parse_if();
    if (tag == "for") return parse_for();
    if (tag == "macro") return parse_macro();
    if (tag == "call") return parse_call_block();
    if (tag == "filter") return parse_filter_block();
    if (tag == "with") return parse_with();
    if (tag == "print") return parse_print();
    if (tag == "generation") return parse_generation();
    if (tag == "break") return make_statement(StatementKind::kBreak, advance().line);
    if (tag == "continue") return make_statement(StatementKind::kContinue, advance().line);
    refuse(tag, ends);
  }

  [[noreturn]] void refuse(const std::string& tag, const Names& ends) const {
    for (const char* known : {"include", "import", "from", "extends", "block", "autoescape"})
      if (tag == known)
        throw Failure(
            FailureKind::kUnsupported,
            fmt::format("'{{% {} %}}' is not supported: a chat template is one file of plain text", tag),
            current().line);
    const std::string hint = ends.empty() ? "" : fmt::format(" Jinja was looking for '{}'.", ends.back());
    fail(fmt::format("Encountered unknown tag '{}'.{}", tag, hint));
  }

  ExpressionPtr parse_target(bool namespaces, const char* end_name = nullptr) {
    TupleOptions options;
    options.simplified = true;
    options.namespaces = namespaces;
    options.end_name = end_name;
    auto target = parse_tuple(options);
    mark_stored(*target);
    return target;
  }

  void mark_stored(Expression& target) const {
    if (target.kind == ExpressionKind::kNamespaceRef) return;
    if (target.kind != ExpressionKind::kName && target.kind != ExpressionKind::kTuple)
      fail("can't assign to this expression", target.line);
    target.store = true;
    for (auto& child : target.children) mark_stored(*child);
  }

  ExpressionPtr parse_name_target() {
    auto node = make(ExpressionKind::kName, current().line);
    node->text = expect_name();
    for (const char* constant : {"true", "false", "none", "True", "False", "None"})
      if (node->text == constant) fail("can't assign to 'const'", node->line);
    node->store = true;
    return node;
  }

  StatementPtr parse_set() {
    auto node = make_statement(StatementKind::kSet, advance().line);
    node->target = parse_target(true);
    if (skip_operator("=")) {
      node->value = parse_tuple();
      return node;
    }
    node->kind = StatementKind::kSetBlock;
    node->value = parse_filters(nullptr, false);
    node->body = parse_block({"endset"}, true);
    return node;
  }

  StatementPtr parse_if() {
    auto node = make_statement(StatementKind::kIf, advance().line);
    Statement* branch = node.get();
    while (true) {
      TupleOptions options;
      options.conditional = false;
      branch->value = parse_tuple(options);
      branch->body = parse_block({"elif", "else", "endif"}, false);
      const std::string end = advance().text;
      if (end == "else") node->otherwise = parse_block({"endif"}, true);
      if (end != "elif") return node;
      node->branches.push_back(make_statement(StatementKind::kIf, current().line));
      branch = node->branches.back().get();
    }
  }

  StatementPtr parse_for() {
    auto node = make_statement(StatementKind::kFor, advance().line);
    node->target = parse_target(false, "in");
    if (!skip_name("in")) fail_expected("'in'");
    TupleOptions options;
    options.conditional = false;
    options.end_name = "recursive";
    node->value = parse_tuple(options);
    if (skip_name("if")) node->condition = parse_expression();
    node->recursive = skip_name("recursive");
    node->body = parse_block({"endfor", "else"}, false);
    if (advance().text == "else") node->otherwise = parse_block({"endfor"}, true);
    return node;
  }

  void parse_signature(Signature& signature) {
    expect_operator("(");
    while (!is_operator(")")) {
      if (!signature.names.empty()) expect_operator(",");
      auto name = parse_name_target();
      name->parameter = true;
      for (const auto& other : signature.names)
        if (other->text == name->text) fail(fmt::format("duplicate argument '{}'", name->text));
      if (skip_operator("="))
        signature.defaults.push_back(parse_expression());
      else if (!signature.defaults.empty())
        fail("non-default argument follows default argument");
      signature.names.push_back(std::move(name));
    }
    expect_operator(")");
  }

  StatementPtr parse_macro() {
    auto node = make_statement(StatementKind::kMacro, advance().line);
    node->target = parse_name_target();
    node->name = node->target->text;
    parse_signature(node->signature);
    node->body = parse_block({"endmacro"}, true);
    return node;
  }

  StatementPtr parse_call_block() {
    auto node = make_statement(StatementKind::kCallBlock, advance().line);
    if (is_operator("(")) parse_signature(node->signature);
    node->value = parse_expression();
    if (node->value->kind != ExpressionKind::kCall) fail("expected call", node->line);
    for (const auto& keyword : node->value->call.keywords)
      if (keyword == "caller") fail("keyword argument repeated: caller", node->line);
    node->body = parse_block({"endcall"}, true);
    return node;
  }

  StatementPtr parse_generation() {
    auto node = make_statement(StatementKind::kGeneration, advance().line);
    node->body = parse_block({"endgeneration"}, true);
    return node;
  }

  StatementPtr parse_filter_block() {
    auto node = make_statement(StatementKind::kFilterBlock, advance().line);
    node->value = parse_filters(nullptr, true);
    node->body = parse_block({"endfilter"}, true);
    return node;
  }

  StatementPtr parse_with() {
    auto node = make_statement(StatementKind::kWith, advance().line);
    while (current().type != TokenType::kBlockEnd) {
      if (!node->targets.empty()) expect_operator(",");
      auto target = parse_target(false);
      mark_parameter(*target);
      node->targets.push_back(std::move(target));
      expect_operator("=");
      node->values.push_back(parse_expression());
    }
    node->body = parse_block({"endwith"}, true);
    return node;
  }

  static void mark_parameter(Expression& target) {
    target.parameter = true;
    for (auto& child : target.children) mark_parameter(*child);
  }

  StatementPtr parse_print() {
    auto node = make_statement(StatementKind::kOutput, advance().line);
    while (current().type != TokenType::kBlockEnd) {
      if (!node->outputs.empty()) expect_operator(",");
      node->outputs.push_back(parse_expression());
    }
    return node;
  }
};

}  // namespace

Body parse_template(std::string_view source) { return StatementParser(tokenize(source)).run(); }

}  // namespace attune::text::jinja
