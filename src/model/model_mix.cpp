// A model that is drawn towards another one, weight by weight.
#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <map>

#include "core/error.h"
#include "model/files/tensor_slots.h"
#include "model/model.h"

namespace attune::model {
namespace {

/// Every weight of the body and the output head, by its name in the file; a head of its own that config.json
/// calls tied is among them.
std::vector<std::pair<std::string, at::Tensor*>> places_of(TransformerWeights& weights,
                                                           const ModelConfig& config) {
  std::vector<std::pair<std::string, at::Tensor*>> places;
  for (const TensorSlot& slot : tensor_slots(weights, config)) places.emplace_back(slot.name, slot.place);
  const auto is_head = [&](const auto& entry) { return entry.second == &weights.head.weight; };
  const at::Tensor& head = weights.head.weight;
  if (head.defined() && !head.is_same(weights.embedding) && std::ranges::none_of(places, is_head))
    places.emplace_back(weights.head.path + ".weight", &weights.head.weight);
  return places;
}

}  // namespace

std::vector<std::pair<std::string, at::Tensor>> Model::named_weights() {
  std::vector<std::pair<std::string, at::Tensor>> named;
  for (const auto& [name, place] : places_of(weights_, config_)) named.emplace_back(name, *place);
  return named;
}

void Model::move_towards(const Model& other, double share) {
  const c10::NoGradGuard no_grad;
  TransformerWeights theirs = other.weights_;  // the tensors are shared
  const auto effects = adapter_effects(theirs);
  auto mine = places_of(weights_, config_);
  const auto from = places_of(theirs, other.config_);
  const auto fits = [](const auto& a, const auto& b) {
    return a.first == b.first && a.second->sizes() == b.second->sizes();
  };
  if (has_adapter() || !std::ranges::equal(mine, from, fits))
    core::fail_request("{}: its weights have not the names and shapes of {}, so they cannot be mixed",
                       folder_, other.folder_);
  for (std::size_t i = 0; i < mine.size(); ++i) {
    const auto effect = effects.find(from[i].second);
    const at::Tensor target = effect == effects.end() ? *from[i].second : effect->second();
    mine[i].second->mul_(1 - share).add_(target.to(mine[i].second->scalar_type()), share);
  }
}

}  // namespace attune::model
