// How texts become ids: the tokenizer and the chat template of a model folder.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "text/chat_template.h"
#include "text/tokenizer/tokenizer.h"

namespace attune::data {

/// What a model can read.
struct ModelLimits {
  std::int64_t context = 0;     ///< tokens that it was made for; 0 unknown
  std::int64_t vocab_size = 0;  ///< ids are below it; 0 unknown
  bool positions_end = false;   ///< its positions are learned: nothing can stand beyond the context
};

/// `tokenizer` may be absent when every row carries ids.
struct TextCodec {
  std::optional<text::Tokenizer> tokenizer;
  std::string no_tokenizer;  ///< why there is none, when there is none
  std::optional<text::ChatTemplate> chat_template;
  std::optional<std::int32_t> eos_id;
  std::int64_t max_positions = 0;  ///< model context; 0 unknown
  bool positions_end = false;      ///< ModelLimits
  std::int64_t vocab_size = 0;     ///< ids in records must be below it; 0 unknown
  static TextCodec load(const std::string& model_folder);
  /// With the limits of a loaded model, whatever its config.json calls them.
  static TextCodec load(const std::string& model_folder, const ModelLimits& limits);
};

/// The tokenizer, for texts. @throws Error{kRequest} saying why there is none and how to do without.
const text::Tokenizer& need_tokenizer(const TextCodec& codec);

}  // namespace attune::data
