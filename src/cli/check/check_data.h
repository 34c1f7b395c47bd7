// What training would make of a data set, counted: for `attune check`.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "data/row_use.h"
#include "data/summary.h"
#include "data/tokens/tokenize.h"

namespace attune::cli {

/// A row that is shown.
struct ShownRow {
  std::string id;
  data::TokenizedExample tokens;
  std::vector<std::string>
      roles;  ///< of each completion: "chosen", "rejected", "good", "reward 0.5" …; "" for none
};

/// Tokens of a row.
struct RowSize {
  std::int64_t prompt = 0, completions = 0, sequences = 0, trained = 0;
};

struct DataCheck {
  data::DatasetSummary summary;
  std::vector<std::int64_t> lengths;  ///< tokens of every sequence: prompt and one completion
  std::vector<RowSize> sizes;         ///< of every row
  std::vector<ShownRow> rows;
  std::vector<std::pair<record::Example, core::ItemError>> left_out;  ///< the first rows that cannot be used
  std::vector<std::uint64_t> prompts;  ///< a key of every row's prompt, as often as an epoch sees it
  std::int64_t double_bos = 0, trained_end = 0, sequences = 0;
  std::int64_t conversations = 0;  ///< rows of messages that are trained on from end to end
  std::vector<std::string> warnings;
};

/// Reads and tokenises everything as `train` would. @param shown how many rows are kept for the picture.
/// @throws Error{kRequest}: malformed rows under data.on_error=fail, as in training.
DataCheck check_data(const data::DataOptions& options, const data::TextCodec& codec, const data::RowUse& use,
                     std::size_t shown);

/// {"count", "min", "median", "mean", "p95", "max", "histogram": [{"from", "to", "count"}]}
core::Json length_json(std::vector<std::int64_t> lengths);

}  // namespace attune::cli
