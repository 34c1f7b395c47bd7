#include "data/rows/column/python_literal.h"

#include <cctype>
#include <string>

#include "text/jinja/syntax/literals.h"
#include "text/jinja/value/limits.h"

namespace attune::data {
namespace {

using core::Json;

constexpr int kDeepest = 32;

bool is_of_word(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
         std::string_view("_.+-").find(c) != std::string_view::npos;
}

class PythonReader {
 public:
  explicit PythonReader(std::string_view text) : text_(text) {}

  std::optional<Json> read() {
    auto value = read_value(0);
    skip_blanks();
    if (!value || at_ != text_.size()) return std::nullopt;
    return value;
  }

 private:
  std::optional<Json> read_value(int depth) {
    if (depth > kDeepest) return std::nullopt;
    skip_blanks();
    if (take("array(")) return read_array(depth);
    if (take("[")) return read_items(']', depth);
    if (take("(")) return read_items(')', depth);
    if (take("{")) return read_dictionary(depth);
    if (next() == '\'' || next() == '"') return read_string();
    return read_word();
  }

  /// numpy's: the list, and ", dtype=object" perhaps.
  std::optional<Json> read_array(int depth) {
    auto list = read_value(depth + 1);
    skip_blanks();
    if (take(",")) {
      skip_blanks();
      if (!take("dtype=")) return std::nullopt;
      while (is_of_word(next())) ++at_;
      skip_blanks();
    }
    return take(")") && list && list->is_array() ? list : std::nullopt;
  }

  std::optional<Json> read_items(char close, int depth) {
    Json items = Json::array();
    for (bool separated = true;; separated = take(",")) {
      skip_blanks();
      if (take({&close, 1})) return items;
      const bool both_maps = !items.empty() && items.back().is_object() && next() == '{';
      if (!separated && !both_maps) return std::nullopt;
      auto value = read_value(depth + 1);
      if (!value) return std::nullopt;
      items.push_back(std::move(*value));
      skip_blanks();
    }
  }

  std::optional<Json> read_dictionary(int depth) {
    Json map = Json::object();
    for (bool separated = true;; separated = take(",")) {
      skip_blanks();
      if (take("}")) return map;
      auto key = separated ? read_value(depth + 1) : std::nullopt;
      skip_blanks();
      if (!key || !key->is_string() || !take(":")) return std::nullopt;
      auto value = read_value(depth + 1);
      if (!value) return std::nullopt;
      map[key->get<std::string>()] = std::move(*value);
      skip_blanks();
    }
  }

  std::optional<Json> read_string() {
    const char quote = text_[at_++];
    const std::size_t begin = at_;
    while (at_ < text_.size() && text_[at_] != quote) at_ += text_[at_] == '\\' ? 2 : 1;
    if (at_ >= text_.size()) return std::nullopt;
    try {
      return text::jinja::unescape(text_.substr(begin, at_++ - begin), 1);
    } catch (const text::jinja::Failure&) {
      return std::nullopt;
    }
  }

  std::optional<Json> read_word() {
    const std::size_t begin = at_;
    while (at_ < text_.size() && is_of_word(text_[at_])) ++at_;
    const std::string word(text_.substr(begin, at_ - begin));
    if (word == "None") return Json();
    if (word == "True" || word == "False") return Json(word == "True");
    Json number;
    std::string why;
    if (core::try_parse_json(word, number, why) && number.is_number()) return number;
    return std::nullopt;
  }

  char next() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  void skip_blanks() {
    while (at_ < text_.size() && std::string_view(" \t\r\n").find(text_[at_]) != std::string_view::npos)
      ++at_;
  }
  bool take(std::string_view token) {
    if (!text_.substr(at_).starts_with(token)) return false;
    at_ += token.size();
    return true;
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace

std::optional<Json> read_python_literal(std::string_view text) { return PythonReader(text).read(); }

}  // namespace attune::data
