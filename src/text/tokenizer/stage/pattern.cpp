#include "text/tokenizer/stage/pattern.h"

#include "text/unicode.h"

namespace attune::text {

Pattern Pattern::literal(std::string text) {
  Pattern pattern;
  pattern.literal_ = std::move(text);
  return pattern;
}

Pattern Pattern::regex(std::string_view source, const std::string& where) {
  Pattern pattern;
  pattern.regex_.emplace(source, where);
  return pattern;
}

Pattern Pattern::from_json(const JsonView& view) {
  if (view.is_string()) return literal(std::string(view.text()));
  if (const auto text = view.find("String")) return literal(std::string(text->text()));
  if (const auto source = view.find("Regex")) return regex(source->text(), source->where());
  view.fail(R"(a pattern is {"String": …} or {"Regex": …})");
}

std::size_t Pattern::after_character(std::string_view text, std::size_t at) {
  return at < text.size() ? at + next_code_point(text.substr(at)).length : at + 1;
}

bool Pattern::next(std::string_view text, std::size_t from, RegexScratch& scratch, Match& match) const {
  if (regex_) return regex_->find(text, from, scratch, match);
  if (literal_.empty()) return false;
  const std::size_t at = text.find(literal_, from);
  if (at == std::string_view::npos) return false;
  match = {at, at + literal_.size()};
  return true;
}

std::string Pattern::replace(std::string_view text, std::string_view with, RegexScratch& scratch) const {
  std::string out;
  out.reserve(text.size());
  for_each_range(text, scratch, [&](std::size_t begin, std::size_t end, bool is_match) {
    out += is_match ? with : text.substr(begin, end - begin);
    scratch.check_growth(out.size());
  });
  return out;
}

}  // namespace attune::text
