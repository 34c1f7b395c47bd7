#include "data/tokens/token_spans.h"

#include <algorithm>

namespace attune::data {

std::vector<std::size_t> token_ends(const text::Tokenizer& tokenizer, std::span<const std::int32_t> ids,
                                    std::string_view text) {
  text::StreamDecoder decoder(tokenizer);
  std::vector<std::size_t> ends;
  ends.reserve(ids.size());
  std::string decoded;
  for (const std::int32_t id : ids) {
    decoded += decoder.push(id);
    ends.push_back(decoded.size());
  }
  decoded += decoder.finish();
  if (!ends.empty()) ends.back() = decoded.size();
  // Before the text: special tokens of the post-processor; cut off at its start: a space of SentencePiece
  // models.
  const std::size_t at = decoded.find(text);
  std::size_t before = 0, missing = 0;
  if (at != std::string::npos)
    before = at;
  else if (decoded.size() < text.size() && text.ends_with(decoded))
    missing = text.size() - decoded.size();
  for (std::size_t& end : ends)
    end = std::min(text.size(), end > before ? end - before + missing : std::size_t{0});
  return ends;
}

}  // namespace attune::data
