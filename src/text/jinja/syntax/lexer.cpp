#include "text/jinja/syntax/lexer.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include <fmt/format.h>

#include "text/jinja/syntax/literals.h"
#include "text/jinja/value/limits.h"
#include "text/jinja/value/unicode.h"

namespace attune::text::jinja {
namespace {

/// All line ends as "\n", and one of them removed at the end.
std::string normalized(std::string_view source) {
  std::string out;
  out.reserve(source.size());
  for (std::size_t i = 0; i < source.size(); ++i) {
    if (source[i] == '\r' && i + 1 < source.size() && source[i + 1] == '\n') continue;
    out += source[i] == '\r' ? '\n' : source[i];
  }
  if (!out.empty() && out.back() == '\n') out.pop_back();
  return out;
}

constexpr std::array<std::string_view, 7> kLongOperators = {"//", "**", "==", "!=", ">=", "<=", ""};
constexpr std::string_view kShortOperators = "+-/*%~[](){}><=.:|,;";

class Lexer {
 public:
  explicit Lexer(std::string source) : source_(std::move(source)) {}

  std::vector<Token> run() {
    while (at_ < source_.size()) root();
    add(TokenType::kEnd, "");
    return std::move(tokens_);
  }

 private:
  [[noreturn]] void fail(const std::string& message) const {
    throw Failure(FailureKind::kSyntax, message, line_);
  }
  bool looking_at(std::string_view text, std::size_t at) const {
    return source_.compare(at, text.size(), text) == 0;
  }
  char peek(std::size_t at) const { return at < source_.size() ? source_[at] : '\0'; }
  void add(TokenType type, std::string text) { tokens_.push_back({type, std::move(text), 0, 0, line_}); }
  std::size_t skip_space(std::size_t at) const {
    while (at < source_.size()) {
      std::size_t next = at;
      if (!is_space(next_code_point(source_, next))) break;
      at = next;
    }
    return at;
  }
  /// Moves to `end`, counting lines.
  void move_to(std::size_t end) {
    line_ += static_cast<int>(std::count(source_.begin() + static_cast<std::ptrdiff_t>(at_),
                                         source_.begin() + static_cast<std::ptrdiff_t>(end), '\n'));
    line_starting_ = end > at_ && source_[end - 1] == '\n';
    at_ = end;
  }

  /// Text up to the next tag, then the tag.
  void root() {
    std::size_t tag = at_;
    while ((tag = source_.find('{', tag)) != std::string::npos) {
      const char next = peek(tag + 1);
      if (next == '%' || next == '{' || next == '#') break;
      ++tag;
    }
    if (tag == std::string::npos) {
      add(TokenType::kData, source_.substr(at_));
      move_to(source_.size());
      return;
    }
    const char what = source_[tag + 1];
    const char sign = peek(tag + 2) == '-' || peek(tag + 2) == '+' ? peek(tag + 2) : '\0';
    data(tag, sign, what == '{');
    const std::size_t body = tag + (sign ? 3 : 2);
    if (what == '{') return expression(TokenType::kVariableBegin, body);
    if (what == '#') return comment(body);
    if (const std::size_t end = raw_tag(body); end != std::string::npos) return raw(end);
    expression(TokenType::kBlockBegin, body);
  }

  /// Emits the text before a tag, stripped as its sign says, and moves to the tag.
  void data(std::size_t tag, char sign, bool variable) {
    std::string_view text(source_.data() + at_, tag - at_);
    if (sign == '-') {
      text = strip(text, nullptr, false, true);
    } else if (sign != '+' && !variable) {
      const std::size_t newline = text.rfind('\n');
      const std::size_t line_start = newline == std::string_view::npos ? 0 : newline + 1;
      const bool at_line_start = line_start > 0 || line_starting_ || at_ == 0;
      if (at_line_start && strip(text.substr(line_start), nullptr, true, false).empty())
        text = text.substr(0, line_start);
    }
    if (!text.empty()) add(TokenType::kData, std::string(text));
    move_to(tag);
  }

  /// Behind `{% raw %}`, or npos if the block at `body` is something else.
  std::size_t raw_tag(std::size_t body) const {
    std::size_t at = skip_space(body);
    if (!looking_at("raw", at)) return std::string::npos;
    at = skip_space(at + 3);
    if (looking_at("-%}", at)) return skip_space(at + 3);
    return looking_at("%}", at) ? at + 2 : std::string::npos;
  }

  void raw(std::size_t start) {
    move_to(start);
    if (start == source_.size()) return;
    for (std::size_t tag = start; (tag = source_.find("{%", tag)) != std::string::npos; ++tag) {
      const char sign = peek(tag + 2) == '-' || peek(tag + 2) == '+' ? peek(tag + 2) : '\0';
      std::size_t at = skip_space(tag + (sign ? 3 : 2));
      if (!looking_at("endraw", at)) continue;
      const std::size_t end = block_end(skip_space(at + 6));
      if (end == std::string::npos) continue;
      data(tag, sign, false);
      return move_to(end);
    }
    fail("Missing end of raw directive");
  }

  void comment(std::size_t body) {
    move_to(body);
    if (body == source_.size()) return;
    const std::size_t end = source_.find("#}", body);
    if (end == std::string::npos) fail("Missing end of comment tag");
    std::size_t after = end + 2;
    const char sign = end > body ? source_[end - 1] : '\0';
    if (sign == '-')
      after = skip_space(after);
    else if (sign != '+' && peek(after) == '\n')
      ++after;
    move_to(after);
  }

  /// Behind `%}`, `-%}` or `+%}` at `at`, or npos.
  std::size_t block_end(std::size_t at) const {
    if (looking_at("+%}", at)) return at + 3;
    if (looking_at("-%}", at)) return skip_space(at + 3);
    if (!looking_at("%}", at)) return std::string::npos;
    return peek(at + 2) == '\n' ? at + 3 : at + 2;
  }
  std::size_t variable_end(std::size_t at) const {
    if (looking_at("-}}", at)) return skip_space(at + 3);
    return looking_at("}}", at) ? at + 2 : std::string::npos;
  }

  void expression(TokenType begin, std::size_t body) {
    const bool block = begin == TokenType::kBlockBegin;
    add(begin, "");
    move_to(body);
    std::string open;  // brackets that wait to be closed
    while (at_ < source_.size()) {
      const std::size_t end = !open.empty() ? std::string::npos : block ? block_end(at_) : variable_end(at_);
      if (end != std::string::npos) {
        add(block ? TokenType::kBlockEnd : TokenType::kVariableEnd, "");
        return move_to(end);
      }
      if (const std::size_t next = skip_space(at_); next > at_)
        move_to(next);
      else
        token(open);
    }
  }

  void token(std::string& open) {
    if (number()) return;
    std::size_t end = at_;
    while (end < source_.size()) {
      std::size_t next = end;
      if (!is_identifier_part(next_code_point(source_, next))) break;
      end = next;
    }
    if (end > at_) {
      const std::string name = source_.substr(at_, end - at_);
      if (!is_identifier(name)) fail("Invalid character in identifier");
      add(TokenType::kName, name);
      return move_to(end);
    }
    if (string() || operation(open)) return;
    next_code_point(source_, end);
    fail(fmt::format("unexpected char '{}'", source_.substr(at_, end - at_)));
  }

  bool number() {
    const bool after_point = at_ > 0 && source_[at_ - 1] == '.';
    const NumberLiteral literal = read_number(std::string_view(source_).substr(at_), !after_point);
    if (literal.size == 0) return false;
    if (literal.overflow) fail("an integer beyond 64 bits is not supported");
    tokens_.push_back(
        {literal.real ? TokenType::kFloat : TokenType::kInteger, "", literal.integer, literal.number, line_});
    move_to(at_ + literal.size);
    return true;
  }

  bool string() {
    const char quote = source_[at_];
    if (quote != '\'' && quote != '"') return false;
    std::size_t end = at_ + 1;
    while (end < source_.size() && source_[end] != quote) end += source_[end] == '\\' ? 2 : 1;
    if (end >= source_.size()) return false;
    add(TokenType::kString, unescape(std::string_view(source_).substr(at_ + 1, end - at_ - 1), line_));
    move_to(end + 1);
    return true;
  }

  bool operation(std::string& open) {
    std::string text;
    for (const auto candidate : kLongOperators)
      if (!candidate.empty() && looking_at(candidate, at_)) text = candidate;
    if (text.empty() && kShortOperators.find(source_[at_]) != std::string_view::npos) text = source_[at_];
    if (text.empty()) return false;
    const std::size_t opening = std::string_view("([{").find(text),
                      closing = std::string_view(")]}").find(text);
    if (opening != std::string_view::npos) open += ")]}"[opening];
    if (closing != std::string_view::npos) {
      if (open.empty()) fail(fmt::format("unexpected '{}'", text));
      if (open.back() != text[0]) fail(fmt::format("unexpected '{}', expected '{}'", text, open.back()));
      open.pop_back();
    }
    add(TokenType::kOperator, text);
    move_to(at_ + text.size());
    return true;
  }

  std::string source_;
  std::vector<Token> tokens_;
  std::size_t at_ = 0;
  int line_ = 1;
  bool line_starting_ = true;
};

}  // namespace

std::vector<Token> tokenize(std::string_view source) {
  if (source.size() > kMaxSourceBytes)
    throw Failure(FailureKind::kLimit,
                  fmt::format("the template is larger than {} MiB", kMaxSourceBytes >> 20), 1);
  if (!valid_utf8(source)) throw Failure(FailureKind::kSyntax, "the template is not valid UTF-8", 1);
  return Lexer(normalized(source)).run();
}

}  // namespace attune::text::jinja
