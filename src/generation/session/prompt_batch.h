// Prompts on their way into a lane's cache.
#pragma once

#include <cstdint>
#include <span>
#include <unordered_set>
#include <vector>

#include "core/forest.h"
#include "generation/lane.h"
#include "generation/sample.h"
#include "generation/sampling/sampling_options.h"

namespace attune::generation {

/// Tokens that a completion may have behind a prompt: a sequence never outgrows the model's context.
/// @throws Error{kRequest} when there is no room, or the prompt is none for this model
std::int64_t room_behind(std::span<const std::int32_t> ids, const PromptVectors* vectors,
                         std::uint64_t record, const model::ModelConfig& config);

/// Tokens that a completion may have by the settings. @throws Error{kRequest} when max_length leaves none
std::int64_t room_within(const SamplingOptions& options, const Prompt& prompt);

/// Prompts that one lane reads at once, what they share once.
class PromptBatch {
 public:
  /// @param ids, vectors (null: ids alone) outlive the batch
  void add(const Lane& lane, std::span<const std::int32_t> ids, const PromptVectors* vectors);
  /// @return in order of add()
  std::vector<model::ReadPrompt> read(const Lane& lane, const model::KvPool& pool) const;

 private:
  std::vector<core::TokenSequence> sequences_;
  std::vector<std::uint64_t> keys_;
  std::unordered_set<std::uint64_t> known_;  ///< the same keys
  std::vector<at::Tensor> vectors_;          ///< [D] of each key
};

}  // namespace attune::generation
