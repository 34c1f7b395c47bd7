#include "feedback/text_rule.h"

#include <algorithm>
#include <array>
#include <unordered_set>

#include "text/unicode.h"

namespace attune::feedback {
namespace {

constexpr std::u32string_view kEnds = U".!?…。！？";
constexpr std::u32string_view kClosers = U"\"'”’»)]}*_";
constexpr std::u32string_view kApostrophes = U"'’";

bool is_one_of(std::u32string_view set, char32_t c) { return set.find(c) != std::u32string_view::npos; }

/// Calls `visit(code point, its place)` for every character of well-formed text.
template <class Visit>
void for_each_character(std::string_view text, Visit visit) {
  for (std::size_t at = 0; at < text.size();) {
    const text::CodePoint point = text::next_code_point(text.substr(at));
    visit(point.value, at);
    at += point.length;
  }
}

void add_sentence(std::vector<std::string>& sentences, std::string_view text) {
  const std::string_view sentence = trimmed(text);
  if (!sentence.empty()) sentences.emplace_back(sentence);
}

}  // namespace

std::vector<RuleScore> TextRule::score(std::span<const RuleInput> inputs) {
  std::vector<RuleScore> scores;
  scores.reserve(inputs.size());
  for (const RuleInput& input : inputs) scores.push_back(judge(text_of(input.completion), input));
  return scores;
}

std::string text_of(const core::Json& text_or_messages) {
  if (text_or_messages.is_string()) return text::repair_utf8(text_or_messages.get_ref<const std::string&>());
  std::string joined;
  if (!text_or_messages.is_array()) return joined;
  for (const core::Json& message : text_or_messages) {
    if (!message.is_object() || !message.contains("content") || !message["content"].is_string()) continue;
    if (!joined.empty()) joined += '\n';
    joined += text::repair_utf8(message["content"].get_ref<const std::string&>());
  }
  return joined;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty()) {
    const text::CodePoint point = text::next_code_point(text);
    if (!text::is_white_space(point.value)) break;
    text.remove_prefix(point.length);
  }
  while (!text.empty()) {
    const text::CodePoint point = text::last_code_point(text);
    if (!text::is_white_space(point.value)) break;
    text.remove_suffix(point.length);
  }
  return text;
}

std::string lowercase(std::string_view text) {
  std::string result;
  for_each_character(text, [&](char32_t c, std::size_t) { text::append_lowercase(result, c); });
  return result;
}

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  std::string word;
  bool apostrophe = false;  // after the word so far: part of it only if a letter follows
  const auto close = [&] {
    if (!word.empty()) words.push_back(std::move(word));
    word.clear();
    apostrophe = false;
  };
  for_each_character(text, [&](char32_t c, std::size_t) {
    if (text::is_word(c) && c != U'_') {
      if (apostrophe) word += '\'';
      apostrophe = false;
      text::append_lowercase(word, c);
    } else if (is_one_of(kApostrophes, c) && !word.empty() && !apostrophe) {
      apostrophe = true;
    } else {
      close();
    }
  });
  close();
  return words;
}

std::vector<std::string> sentences_of(std::string_view text) {
  std::vector<std::string> sentences;
  std::size_t begin = 0;
  bool ended = false;  // an end mark was seen, closers may follow
  for_each_character(text, [&](char32_t c, std::size_t at) {
    const bool space = text::is_white_space(c);
    if (c == U'\n' || (space && ended)) {
      add_sentence(sentences, text.substr(begin, at - begin));
      begin = at;
      ended = false;
    } else if (is_one_of(kEnds, c)) {
      ended = true;
    } else if (!is_one_of(kClosers, c)) {
      ended = false;
    }
  });
  add_sentence(sentences, text.substr(begin));
  return sentences;
}

bool ends_sentence(std::string_view text) {
  text = trimmed(text);
  while (!text.empty()) {
    const text::CodePoint last = text::last_code_point(text);
    if (!is_one_of(kClosers, last.value)) return is_one_of(kEnds, last.value);
    text.remove_suffix(last.length);
  }
  return false;
}

double distinct_fraction(const std::vector<std::string>& words, std::size_t n) {
  if (n == 0 || words.size() < n) return 1;
  std::unordered_set<std::string> seen;
  const std::size_t total = words.size() - n + 1;
  for (std::size_t i = 0; i < total; ++i) {
    std::string gram;
    for (std::size_t j = i; j < i + n; ++j) {
      gram += words[j];
      gram += '\x1f';  // no word holds it
    }
    seen.insert(std::move(gram));
  }
  return static_cast<double>(seen.size()) / static_cast<double>(total);
}

}  // namespace attune::feedback
