#include "text/tokenizer/stage/sourced_text.h"

#include <algorithm>

namespace attune::text {

SourcedText SourcedText::placed(std::string text, std::size_t start) {
  SourcedText out(std::move(text));
  out.start_ = start;
  out.keeps_places_ = true;
  out.places_.reserve(out.text_.size());
  for (std::size_t at = 0; at < out.text_.size();) {
    const std::size_t next = at + next_code_point(std::string_view(out.text_).substr(at)).length;
    out.places_.resize(next, {start + at, start + next});
    at = next;
  }
  return out;
}

SourcedText SourcedText::instead_of(const SourcedText& other) {
  SourcedText out("");
  out.start_ = other.start_;
  out.keeps_places_ = other.keeps_places_;
  out.text_.reserve(other.text_.size());
  out.places_.reserve(other.places_.size());
  return out;
}

TextSpan SourcedText::place_before(std::size_t byte) const {
  return byte == 0 || !keeps_places_ ? TextSpan{start_, start_} : places_[byte - 1];
}

void SourcedText::append(std::string_view text, TextSpan place) {
  text_ += text;
  if (keeps_places_) places_.resize(text_.size(), place);
}

void SourcedText::append(const SourcedText& from, std::size_t begin, std::size_t end) {
  text_.append(from.text_, begin, end - begin);
  if (!keeps_places_) return;
  const auto first = from.places_.begin();
  places_.insert(places_.end(), first + static_cast<std::ptrdiff_t>(begin),
                 first + static_cast<std::ptrdiff_t>(end));
}

SourcedText SourcedText::part(std::size_t begin, std::size_t end) const {
  SourcedText out = instead_of(*this);
  out.append(*this, begin, end);
  return out;
}

void SourcedText::become(std::string text, const std::vector<std::size_t>& sources) {
  text_ = std::move(text);
  if (!keeps_places_) return;
  std::vector<TextSpan> places;
  places.reserve(sources.size());
  for (const std::size_t source : sources) places.push_back(places_[source]);
  places_ = std::move(places);
}

}  // namespace attune::text
