// The stories of `attune quickstart`: openings, what the model writes for them, and what the feedback says of
// that.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "core/json.h"
#include "feedback/rater.h"
#include "generation/generator.h"
#include "model/model.h"

namespace attune::cli {

struct Opening {
  std::string id, text;
  std::vector<std::int32_t> ids;
};

/// The openings of one use ("train", "held_out", "ordinary") of assets/quickstart/openings.jsonl.
std::vector<Opening> read_openings(const std::string& path, const std::string& use);

struct Story {
  generation::Sample sample;
  double reward = 0;
};
/// stories[opening][sample]
using Stories = std::vector<std::vector<Story>>;

/// How stories are written.
struct Writing {
  std::int64_t per_opening = 4, max_new_tokens = 160;
  double temperature = 0.5;
  std::uint64_t seed = 0;
};

/// Lets the model write.
Stories write_stories(const model::Model& model, const text::Tokenizer& tokenizer,
                      const std::vector<Opening>& openings, const Writing& writing,
                      const std::function<void(std::int64_t tokens)>& on_progress);
/// Lets the feedback judge; sets Story::reward.
void judge_stories(const std::vector<Opening>& openings, Stories& stories, feedback::Rater& feedback);

/// Native records with the rewards, one per opening; openings whose best and worst story differ by less than
/// `least_gap` are left out (feedback that small is noise).
std::vector<core::Json> preference_records(const std::vector<Opening>& openings, const Stories& stories,
                                           double least_gap);

/// Natural log-probability of every story under a model that samples at `temperature`, and its tokens.
struct Likelihood {
  double logp = 0;
  std::int64_t tokens = 0;
};
std::vector<Likelihood> story_likelihoods(model::Model& model, const std::vector<Opening>& openings,
                                          const Stories& stories, double temperature);

}  // namespace attune::cli
