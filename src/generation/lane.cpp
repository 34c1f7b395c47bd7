#include "generation/lane.h"

#include "core/error.h"
#include "generation/sampling/generation_config.h"

namespace attune::generation {
namespace {

std::vector<std::int32_t> end_ids_of(const model::Model& model) {
  std::vector<std::int32_t> ids;
  for (const std::int64_t id : end_ids_of_folder(model.folder()).value_or(model.config().eos_ids))
    if (id >= 0 && id < model.config().vocab_size) ids.push_back(static_cast<std::int32_t>(id));
  return ids;
}

bool same_model(const model::ModelOptions& a, const model::ModelOptions& b) {
  return a.path == b.path && a.dtype == b.dtype && a.adapter == b.adapter && a.base == b.base;
}

}  // namespace

Lane::Lane(const model::Model& model, model::Weights which, model::Tap* tap)
    : model_(&model), decoder_(model.weights(), model.config(), which, tap), end_ids_(end_ids_of(model)) {}

Lane::Lane(std::unique_ptr<const model::Model> model) : Lane(*model, model::Weights::kPolicy) {
  owned_ = std::move(model);
}

Lanes::Lanes(const model::Model& policy, model::Weights which, model::Tap* tap) {
  add("", policy, which, tap);
}

void Lanes::add(const std::string& name, const model::Model& model, model::Weights which, model::Tap* tap) {
  model::ModelOptions options;
  options.path = name;
  lanes_.push_back({options, Lane(model, which, tap)});
}

std::size_t Lanes::find_or_load(const LaneRequest& request) {
  std::size_t index = 0;
  while (index < lanes_.size() && !same_model(lanes_[index].model, request.model)) ++index;
  if (index == lanes_.size()) {
    lanes_.push_back(
        {request.model, Lane(std::make_unique<const model::Model>(model::Model::load(request.model)))});
  }
  const std::int64_t theirs = lanes_[index].lane.config().vocab_size, ours = policy().config().vocab_size;
  if (theirs != ours) {
    core::fail_request(
        "decoding: {}={} has a vocabulary of {} tokens and the model one of {}: their logits cannot be put "
        "side by side. Give a model with the same tokenizer",
        request.option, request.model.path, theirs, ours);
  }
  return index;
}

}  // namespace attune::generation
