// The records that `attune explain` looks at: one that the method can learn from and, for methods whose loss
// couples a whole step, those after it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "algorithm/method.h"
#include "data/options.h"
#include "data/tokens/cached_row.h"
#include "data/tokens/codec.h"
#include "model/config.h"
#include "training/step/step.h"

namespace attune::cli {

struct ExplainedRecord {
  record::Example example;
  data::CachedRow row;  ///< tokens and feedback as training takes them
};

struct ExplainedRecords {
  std::string format;                    ///< the data format that was recognised
  std::vector<ExplainedRecord> records;  ///< the one that was asked for first; never empty
  /// The step that training would make of these records alone.
  training::Step step;
};

/// Reads until `count` usable records from the `first`-th (from 0) on are there, or the data end.
/// @throws Error{kRequest}: malformed rows under data.on_error=fail; no record that the method can use, with
/// the reasons; fewer than `first` + 1 of them.
ExplainedRecords explained_records(const data::DataOptions& options, const data::TextCodec& codec,
                                   const algorithm::Method& method, const model::ModelConfig& config,
                                   std::int64_t first, std::int64_t count);

struct ReadRecord {
  record::Example example;
  std::int64_t row = 0;  ///< its number in the data, from 0
};

/// The `which`-th record (from 0) that has answers, whoever may learn from it.
/// @throws Error{kRequest}: malformed rows under data.on_error=fail; fewer than `which` + 1 of them
ReadRecord read_record(const data::DataOptions& options, std::int64_t which);

/// That record alone as this method takes it, or why it cannot.
core::Result<ExplainedRecords> explained_record(const ReadRecord& read, const data::DataOptions& options,
                                                const data::TextCodec& codec, const algorithm::Method& method,
                                                const model::ModelConfig& config);

}  // namespace attune::cli
