#include "feedback/reward_source.h"

#include <fmt/format.h>

#include <utility>

#include "core/error.h"
#include "feedback/reward_ensemble.h"
#include "feedback/reward_model_rater.h"

namespace attune::feedback {

void RewardSourceOptions::declare(core::Fields& fields) {
  fields.add(
      "path", paths,
      "Folders of reward models, or of PEFT adapters with a reward head; of several the rewards are combined.");
  fields
      .add("dtype", model.model.dtype,
           "Type of arithmetic and of the weights in memory, whatever the file's.")
      .one_of({"float32", "bfloat16", "float16", "float64"});
  fields.add("adapter", model.model.adapter, "PEFT adapter folder to load onto the model.");
  fields.add("base", model.model.base,
             "Base model of an adapter folder, instead of the one that adapter_config.json names.");
  model.steps.declare(fields);
  combination.declare(fields);
}

RewardSource reward_source(const RewardSourceOptions& options, const data::TextCodec& codec,
                           const data::DataOptions& data, const std::vector<std::string>& given,
                           std::int64_t token_budget) {
  ATTUNE_ASSERT(!options.paths.empty());
  const bool several = options.paths.size() > 1;
  if (several && !options.model.model.adapter.empty())
    core::fail_request(
        "reward_model.adapter={}: goes with one model, and reward_model.path names {}; name the adapters' folders in path",
        options.model.model.adapter, options.paths.size());
  RewardSource source;
  std::vector<std::unique_ptr<Rater>> members;
  for (std::size_t m = 0; m < options.paths.size(); ++m) {
    RewardModelOptions one = options.model;
    one.model.path = options.paths[m];
    RewardModel model(one, codec);
    data::DataOptions reads = data;
    const std::string name = several ? fmt::format("reward_model/{}", m) : "reward_model";
    if (model.texts()) {
      model.texts()->apply(reads, given);
      source.notes.push_back(fmt::format("the reward model {}reads texts as it was trained: {}",
                                         several ? options.paths[m] + " " : "",
                                         RewardTexts::of(reads).described()));
    }
    source.rates_steps = source.rates_steps || model.rates_steps();
    members.push_back(
        std::make_unique<RewardModelRater>(name, std::move(model), std::move(reads), token_budget));
  }
  source.rates_steps = source.rates_steps && !several;  // members may cut an answer into other steps
  source.rater =
      several ? std::make_unique<RewardEnsemble>("reward_model", std::move(members), options.combination)
              : std::move(members.front());
  return source;
}

}  // namespace attune::feedback
