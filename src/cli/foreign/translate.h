// Requests in other programs' words, put into ours: TRL's, transformers', PEFT's, LLaMA-Factory's and
// Axolotl's names, alone, in flat files, or in the sections where ours stand.
#pragma once

#include <string>
#include <vector>

#include "core/config/fields.h"
#include "core/config/value.h"

namespace attune::cli {

/// Where a setting of ours came from: another program's name, and its value as it was given.
struct Origin {
  std::string ours, name;
  core::Value value;
};

struct Translation {
  core::Value settings;              ///< in our words
  std::vector<std::string> remarks;  ///< lines about what was read and has no effect here, or another one
  std::vector<std::string> refused;  ///< what has no counterpart here, each with its row of docs/from-*.md
  std::vector<std::string>
      unsettled;  ///< settings of ours, dotted, that refused names were to say, and nothing else does
  std::vector<std::string> unknown;  ///< a message about each key that nobody knows and an option is near to
  std::vector<Origin> origins;
};

/// @param fields of a command that trains, or looks at what would be trained
Translation in_our_words(const core::Value& settings, const core::Fields& fields);

}  // namespace attune::cli
