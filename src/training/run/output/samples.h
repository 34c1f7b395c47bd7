// Samples of the model while it learns: samples.jsonl, and what the report shows side by side.
#pragma once

#include <cstdint>
#include <vector>

#include "data/dataset.h"
#include "generation/generator.h"
#include "training/options.h"
#include "training/run/output/folder.h"

namespace attune::training {

class SampleWriter {
 public:
  /// Takes the first prompts of the data: of conversations what the last turn of the assistant answers, of
  /// texts without a prompt their beginning.
  /// @param source what the data was read from
  SampleWriter(const model::Model& model, const data::TextCodec& codec, const data::Dataset& data,
               const data::DataOptions& source, const SamplesOptions& options, std::uint64_t seed,
               RunFolder& folder);
  /// Samples every prompt once with the present weights (the same random numbers at every step, so that
  /// differences come from the weights) and appends native records with "step".
  void write(std::int64_t step) const;

 private:
  const model::Model& model_;
  const data::TextCodec& codec_;
  SamplesOptions options_;
  std::uint64_t seed_;
  RunFolder& folder_;
  std::vector<generation::Prompt> prompts_;
};

}  // namespace attune::training
