// Post-processors of tokenizer.json: which special tokens are put around the ids of a text.
#pragma once

#include <cstdint>
#include <vector>

#include "text/tokenizer/json_view.h"

namespace attune::text {

/// What `encode(text, add_special_tokens = true)` puts before and after the text's own ids. Every
/// post-processor comes down to this for a single text; pairs of texts and offsets are not our business.
struct SpecialFrame {
  std::vector<std::int32_t> before, after;
};

/// Reads TemplateProcessing, BertProcessing, RobertaProcessing, ByteLevel or a Sequence of them.
/// @throws core::Error{kRequest}: malformed, or of a type that is not supported.
SpecialFrame read_post_processor(const JsonView& view);

}  // namespace attune::text
