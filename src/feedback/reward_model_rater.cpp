#include "feedback/reward_model_rater.h"

#include <iterator>
#include <utility>

#include "core/error.h"

namespace attune::feedback {

RewardModelRater::RewardModelRater(std::string name, RewardModel model, data::DataOptions options,
                                   std::int64_t token_budget)
    : Rater(std::move(name)),
      model_(std::move(model)),
      options_(std::move(options)),
      token_budget_(token_budget) {}

std::vector<Remark> RewardModelRater::fill(std::span<record::Example> examples) {
  std::vector<Remark> remarks;
  std::vector<RewardText> texts;
  std::vector<record::Candidate*> read;
  for (std::size_t e = 0; e < examples.size(); ++e) {
    if (examples[e].candidates.empty()) continue;
    auto judged = model_.read(examples[e], options_, static_cast<std::int64_t>(e));
    remarks.resize(remarks.size() + examples[e].candidates.size(),
                   {judged.ok() ? "" : judged.error().reason, {}});
    if (!judged.ok()) continue;
    ATTUNE_ASSERT(judged.value().size() == examples[e].candidates.size());
    std::move(judged.value().begin(), judged.value().end(), std::back_inserter(texts));
    for (record::Candidate& candidate : examples[e].candidates) read.push_back(&candidate);
  }
  if (texts.empty()) return remarks;
  std::vector<Judgement> judgements = model_.score(texts, token_budget_);
  for (std::size_t i = 0; i < judgements.size(); ++i) {
    give(*read[i], judgements[i].reward);
    if (model_.rates_steps()) read[i]->step_scores = std::move(judgements[i].steps);
  }
  return remarks;
}

}  // namespace attune::feedback
