#include "generation/session/completion_text.h"

#include <algorithm>

namespace attune::generation {

CompletionText::CompletionText(const text::Tokenizer& tokenizer, const std::vector<std::string>& stops)
    : decoder_(tokenizer, true), stops_(&stops) {}

bool CompletionText::push(std::int32_t id) { return append(decoder_.push(id)); }

bool CompletionText::finish() {
  const bool stopped = !finished_ && append(decoder_.finish());
  finished_ = true;
  return stopped;
}

bool CompletionText::append(const std::string& piece) {
  const std::size_t before = text_.size();
  text_ += piece;
  std::size_t cut = std::string::npos;
  for (const std::string& stop : *stops_) {
    // Only what the new piece completed: earlier text was searched when it came.
    const std::size_t from = before >= stop.size() ? before - stop.size() + 1 : 0;
    cut = std::min(cut, text_.find(stop, from));
  }
  if (cut == std::string::npos) return false;
  text_.resize(cut);
  finished_ = true;
  return true;
}

std::size_t CompletionText::held_back() const {
  std::size_t longest = 0;
  for (const std::string& stop : *stops_) {
    for (std::size_t length = std::min(stop.size() - 1, text_.size()); length > longest; --length) {
      if (std::string_view(text_).ends_with(std::string_view(stop).substr(0, length))) longest = length;
    }
  }
  return longest;
}

std::string_view CompletionText::take_new() {
  const std::size_t end = finished_ ? text_.size() : text_.size() - held_back();
  if (end <= taken_) return {};
  const std::string_view piece = std::string_view(text_).substr(taken_, end - taken_);
  taken_ = end;
  return piece;
}

}  // namespace attune::generation
