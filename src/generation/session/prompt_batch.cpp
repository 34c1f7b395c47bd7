#include "generation/session/prompt_batch.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <limits>

#include "core/error.h"
#include "core/system.h"

namespace attune::generation {
namespace {

void check_vectors(std::span<const std::int32_t> ids, const PromptVectors& vectors, std::uint64_t record,
                   const model::ModelConfig& config) {
  const model::GivenRows& given = vectors.given;
  if (vectors.content.size() != ids.size()) {
    core::fail_request("the prompt of record {} has {} and {}: it needs one of each for every token", record,
                       core::counted(static_cast<std::int64_t>(ids.size()), "id"),
                       core::counted(static_cast<std::int64_t>(vectors.content.size()), "content key"));
  }
  if (!given.vectors.defined() || given.vectors.dim() != 2 || given.vectors.size(1) != config.hidden_size ||
      given.vectors.size(0) != static_cast<std::int64_t>(given.keys.size())) {
    core::fail_request("the prompt of record {} needs a vector of {} numbers for each of its {}", record,
                       config.hidden_size,
                       core::counted(static_cast<std::int64_t>(given.keys.size()), "content key"));
  }
  for (const std::uint64_t key : vectors.content) {
    if (key != 0 && std::find(given.keys.begin(), given.keys.end(), key) == given.keys.end())
      core::fail_request("the prompt of record {} holds the content key {}, which no vector is given for",
                         record, key);
  }
}

}  // namespace

std::int64_t room_behind(std::span<const std::int32_t> ids, const PromptVectors* vectors,
                         std::uint64_t record, const model::ModelConfig& config) {
  if (ids.empty()) core::fail_request("the prompt of record {} has no tokens", record);
  for (const std::int32_t id : ids) {
    if (id < 0 || id >= config.vocab_size) {
      core::fail_request("the prompt of record {} holds the token id {}, the model has ids 0 to {}", record,
                         id, config.vocab_size - 1);
    }
  }
  if (vectors) check_vectors(ids, *vectors, record, config);
  const std::int64_t context = config.context();
  if (context <= 0) return std::numeric_limits<std::int64_t>::max();
  const auto length = static_cast<std::int64_t>(ids.size());
  if (length >= context) {
    core::fail_request(
        "the prompt of record {} has {}, which leaves no room for an answer in the model's context of {}: "
        "shorten it",
        record, core::counted(length, "token"), context);
  }
  return context - length;
}

std::int64_t room_within(const SamplingOptions& options, const Prompt& prompt) {
  const std::int64_t room = options.most_new_tokens(std::ssize(prompt.ids));
  if (room < 1)
    core::fail_request(
        "the prompt of record {} has {} tokens, and max_length={} counts them: give max_new_tokens",
        prompt.record, prompt.ids.size(), options.max_length);
  return room;
}

void PromptBatch::add(const Lane& lane, std::span<const std::int32_t> ids, const PromptVectors* vectors) {
  const std::int32_t table = lane.config().table_of(static_cast<std::int64_t>(ids.size()));
  sequences_.push_back({ids, 0, table});
  if (!vectors) return;
  sequences_.back().content = vectors->content;
  for (std::size_t i = 0; i < vectors->given.keys.size(); ++i) {
    if (!known_.insert(vectors->given.keys[i]).second) continue;
    keys_.push_back(vectors->given.keys[i]);
    vectors_.push_back(vectors->given.vectors.select(0, static_cast<std::int64_t>(i)));
  }
}

std::vector<model::ReadPrompt> PromptBatch::read(const Lane& lane, const model::KvPool& pool) const {
  if (sequences_.empty()) return {};
  const core::Forest forest = core::build_forest(sequences_);
  if (keys_.empty()) return lane.decoder().read_prompts(forest, pool);
  const model::GivenRows given{keys_, at::stack(vectors_)};
  return lane.decoder().read_prompts({forest, &given}, pool);
}

}  // namespace attune::generation
