// One data setting of a recipe as `attune check` shows it.
#pragma once

#include <cstdint>
#include <string>

#include "cli/check/check_data.h"
#include "core/json.h"
#include "data/options.h"
#include "data/row_use.h"
#include "data/tokens/tokenize.h"

namespace attune::cli {

/// One data setting of the recipe, looked at as training would read it.
struct CheckedPart {
  std::string what;    ///< the method that learns from it, or "eval"
  std::string reader;  ///< the method
  data::DataOptions options;
  data::RowUse use;
  DataCheck found;
  std::int64_t held_out = 0;  ///< rows that val_size takes away
};

/// Counts, lengths, and the first rows with their tokens.
core::Json part_json(const CheckedPart& part, const data::TextCodec& codec);
std::string part_text(const CheckedPart& part, const data::TextCodec& codec);

}  // namespace attune::cli
