// Requests in other programs' words, put into ours: TRL's, transformers', PEFT's, LLaMA-Factory's and
// Axolotl's names, alone, in flat files, or in the sections where ours stand.
#pragma once

#include <string>

#include "core/config/fields.h"
#include "core/config/value.h"

namespace attune::cli {

struct Translation {
  core::Value settings;  ///< in our words
  std::string remark;    ///< one line about what was read and has no effect here; "" for nothing
};

/// @param fields of a command that trains, or looks at what would be trained
/// @throws Error{kRequest}: one message about everything that has no counterpart here, each key with its row
/// of docs/from-*.md, and about what else of the request cannot be read
Translation in_our_words(const core::Value& settings, const core::Fields& fields);

}  // namespace attune::cli
