// The tokenizer classes of transformers 5 that rebuild the pipeline instead of taking it from tokenizer.json.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/json.h"
#include "text/tokenizer/bpe.h"

namespace attune::text {

/// How a class builds its tokenizer from a vocabulary and merges. The components are in tokenizer.json's own
/// form; empty: none.
struct ClassRecipe {
  std::string normalizer, pre_tokenizer, decoder;
  BpeOptions bpe;
  /// Special tokens unless tokenizer_config.json names them (null there: none).
  std::vector<std::pair<std::string, std::string>> default_tokens;
  /// What decides about BOS and EOS around a text.
  enum class Frame {
    kFile,      ///< tokenizer.json's post_processor; without such a file add_bos_token and add_eos_token
    kSettings,  ///< always add_bos_token and add_eos_token, and these not at all where there is a
                ///< tokenizer.json
    kAlways,    ///< BOS and EOS always (CLIP)
  } frame = Frame::kFile;
  bool readds_special_tokens = false;  ///< named special tokens lose their `normalized` flag (Qwen2)
};

/// The class that AutoTokenizer would choose for a folder; empty: none in particular.
/// @param config tokenizer_config.json, @param model_config config.json (either may be an empty object)
/// @param file_is_byte_level whether tokenizer.json mentions "ByteLevel"
std::string choose_tokenizer_class(const core::Json& config, const core::Json& model_config,
                                   bool file_is_byte_level);

/// The recipe of a class; nothing for classes that take tokenizer.json as it is.
std::optional<ClassRecipe> find_class_recipe(const std::string& class_name, const core::Json& config);

}  // namespace attune::text
