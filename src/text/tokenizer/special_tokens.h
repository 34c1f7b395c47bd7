// The special and added tokens that a model folder states beside its vocabulary: tokenizer_config.json and
// the older special_tokens_map.json and added_tokens.json.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/json.h"
#include "text/tokenizer/added_tokens.h"

namespace attune::text {

struct TokenSettings {
  struct Named {
    std::string name;  ///< "bos_token" …
    AddedToken token;
  };
  std::vector<Named> named;       ///< bos, eos, unk, sep, pad, cls, mask, then those that only this model has
  std::vector<AddedToken> extra;  ///< additional special tokens without a name
  std::map<std::int64_t, AddedToken> by_id;  ///< added_tokens_decoder

  const AddedToken* find(const std::string& name) const;
  /// In the order in which transformers adds them, named ones marked as special.
  std::vector<AddedToken> to_add() const;
};

/// Reads a folder's settings as transformers 5 does.
/// @param config tokenizer_config.json or an empty object; it lies in `folder`, as do the other files.
/// @param file_tokens the added tokens of tokenizer.json: taken when the config has no added_tokens_decoder
/// @param defaults named tokens of the class, for names that the config does not mention
/// @throws core::Error{kRequest} naming file and key
TokenSettings read_token_settings(const std::string& folder, const core::Json& config,
                                  const std::vector<std::pair<std::int64_t, AddedToken>>& file_tokens,
                                  const std::vector<std::pair<std::string, std::string>>& defaults);

}  // namespace attune::text
