// The steps that decoders are made of.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "text/tokenizer/stage/decoder.h"

namespace attune::text {

/// Every token on its own, by a function of its index and text. Tokens that arrive fused all have index 0.
std::unique_ptr<DecodeStage> per_token_stage(
    std::function<std::string(std::size_t index, std::string_view token)> map, bool fused);
/// Waits for the end, then maps the whole text: for what cannot be decided earlier.
std::unique_ptr<DecodeStage> whole_text_stage(std::function<std::string(std::string_view)> map);
/// Visible byte characters to bytes to text; ill-formed parts become U+FFFD.
std::unique_ptr<DecodeStage> byte_level_stage();
/// Runs of "<0xHH>" become text if they are well-formed together, else one U+FFFD per byte.
std::unique_ptr<DecodeStage> byte_fallback_stage();
/// Cuts up to `start` and `stop` characters `content` off the ends of each token, or of the fused text.
std::unique_ptr<DecodeStage> strip_stage(std::string content, std::size_t start, std::size_t stop,
                                         bool fused);
/// Like per_token_stage, but the function also learns whether the token is the last.
std::unique_ptr<DecodeStage> last_aware_stage(
    std::function<std::string(std::string_view token, bool last)> map);
/// Drops a token that equals the one before it (CTC).
std::unique_ptr<DecodeStage> unique_stage();

}  // namespace attune::text
