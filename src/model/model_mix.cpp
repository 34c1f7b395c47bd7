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

/// Heads beside the output head that both models have.
void mix_named_heads(std::map<std::string, Linear>& mine, const std::map<std::string, Linear>& theirs,
                     double share) {
  for (auto& [name, head] : mine) {
    const auto found = theirs.find(name);
    if (found == theirs.end() || !head.weight.defined() || !found->second.weight.defined()) continue;
    if (head.weight.sizes() != found->second.weight.sizes())
      core::fail_request("the models' {} heads have {} and {} outputs, so they cannot be mixed", name,
                         head.weight.size(0), found->second.weight.size(0));
    const auto mix = [share](at::Tensor& own, const at::Tensor& other) {
      const bool two =
          own.defined() && other.defined() && own.data_ptr() != other.data_ptr();  // a copy may share them
      if (two) own.mul_(1 - share).add_(other.to(own.scalar_type()), share);
    };
    mix(head.weight, found->second.weight);
    mix(head.bias, found->second.bias);
  }
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
  mix_named_heads(weights_.named_heads, other.weights_.named_heads, share);
}

}  // namespace attune::model
