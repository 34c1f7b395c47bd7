// What of a model is trained, and its named heads.
#include <ATen/ATen.h>

#include "core/error.h"
#include "core/files/files.h"
#include "model/adapter_modules.h"
#include "model/files/peft.h"
#include "model/files/tensor_slots.h"
#include "model/files/weight_loading.h"
#include "model/model.h"
#include "model/signal.h"

namespace attune::model {
namespace {

/// A tensor that is trained: its name in the file, its place, and whether it decays.
struct TrainedPlace {
  std::string name;
  at::Tensor* place;
  bool decay;
};

/// What is trained, in file order: the adapters where there are any and the modules that are trained in full
/// beside them, else every weight; then the named heads.
/// @param biases of named heads: whether there is one
std::vector<TrainedPlace> trained_places(TransformerWeights& weights, const ModelConfig& config,
                                         const std::set<std::string>& saved_modules,
                                         const std::map<std::string, bool>& biases) {
  std::vector<TrainedPlace> places;
  for_each_adaptable(weights, [&](Linear& linear) {
    if (!linear.adapter) return;
    const auto tensors = linear.adapter_parts(*linear.adapter->kind);
    for (std::size_t i = 0; i < tensors.size(); ++i)
      places.push_back(
          {kPeftPrefix + linear.path + tensors[i].suffix, &linear.adapter->tensors[i], tensors[i].decay});
  });
  const bool adapted = !places.empty();
  const std::string prefix = adapted ? kPeftPrefix : "";
  for (TensorSlot& slot : tensor_slots(weights, config)) {
    const bool is_head = slot.place == &weights.head.weight || slot.place == &weights.head.bias;
    const bool decay = slot.kind == TensorSlot::Kind::kEmbedding || slot.kind == TensorSlot::Kind::kWeight;
    // a reward model is saved without its language-model head, so that is not trained either
    const bool trained = !adapted || saved_modules.contains(slot.name.substr(0, slot.name.rfind('.')));
    if (trained && !(is_head && biases.contains("score")))
      places.push_back({prefix + slot.name, slot.place, decay});
  }
  for (const auto& [name, bias] : biases) {
    Linear& head = weights.named_heads.at(name);
    places.push_back({prefix + head.path + ".weight", &head.weight, true});
    if (bias) places.push_back({prefix + head.path + ".bias", &head.bias, false});
  }
  return places;
}

}  // namespace

std::vector<Parameter> Model::trainable() {
  for (TensorSlot& slot : tensor_slots(weights_, config_)) slot.place->set_requires_grad(false);
  std::map<std::string, bool> biases;
  for (const auto& [name, head] : named_heads()) biases[name] = head.bias.defined();
  std::vector<Parameter> out;
  for (const auto& [name, place, decay] : trained_places(weights_, config_, saved_modules_, biases)) {
    if (!place->is_leaf()) *place = place->detach();
    place->set_requires_grad(true);
    out.push_back({name, *place, decay});
  }
  if (config_.tie_embeddings && weights_.head.weight.defined()) weights_.head.weight = weights_.embedding;
  return out;
}

std::vector<std::string> Model::trainable_names(const ModelConfig& of_model, const AdapterOptions& adapter,
                                                const std::set<std::string>& heads) {
  ModelConfig config = of_model;
  TransformerWeights layers = make_skeleton(config, family_with(config));
  std::set<std::string> full;
  if (adapter.type != "none") {
    const Adapter& kind = adapter_named(adapter.type);
    const TargetMatcher matcher(adapter_targets(config, adapter));
    for_each_adaptable(layers, [&](Linear& linear) {
      if (is_target(matcher, layers, linear))
        linear.adapter = LayerAdapter{&kind, std::vector<at::Tensor>(linear.adapter_parts(kind).size())};
    });
    full = modules_in_full(layers, config, adapter);
    if (full.contains(layers.head.path) || full.contains(layers.embedding_path))
      config.tie_embeddings = false;
  }
  const auto known = known_heads();
  std::map<std::string, bool> biases;
  for (const std::string& name : heads) biases[name] = known.at(name).bias;
  std::vector<std::string> names;
  for (const auto& trained : trained_places(layers, config, full, biases)) names.push_back(trained.name);
  return names;
}

std::int64_t Model::count_weights(const ModelConfig& config) {
  TransformerWeights layers = make_skeleton(config, family_with(config));
  std::int64_t count = 0;
  for (const TensorSlot& slot : tensor_slots(layers, config)) {
    std::int64_t numbers = 1;
    for (const std::int64_t size : slot.sizes()) numbers *= size;
    count += numbers;
  }
  return count;
}

Head Model::head(Weights which) const {
  const bool starts = which == Weights::kReference && weights_.start;
  const Linear& head = starts ? weights_.start->head : weights_.head;
  const Affine plain = head.plain(which);
  Head out{plain.weight, plain.bias, config_.logit_softcap};
  if (const LayerAdapter* adapter = head.acting_adapter(which)) out.adapter = *adapter;
  return out;
}

Head Model::named_head(const std::string& name) const {
  const auto found = weights_.named_heads.find(name);
  return found == weights_.named_heads.end() ? Head{} : Head{found->second.weight, found->second.bias};
}

std::map<std::string, Head> Model::named_heads() const {
  std::map<std::string, Head> heads;
  for (const auto& [name, linear] : weights_.named_heads)
    if (linear.weight.defined()) heads[name] = {linear.weight, linear.bias};
  return heads;
}

void Model::add_head(const std::string& name, std::uint64_t seed, std::int64_t outputs, std::int64_t pad_id) {
  const auto known = known_heads();
  ATTUNE_ASSERT(known.contains(name) && outputs > 0);
  Linear& head = weights_.named_heads[name];
  if (head.weight.defined()) {
    if (head.weight.size(0) != outputs)
      core::fail_request("{}: the {} head has {} outputs; this needs exactly {}", folder_, name,
                         head.weight.size(0), outputs);
    return;
  }
  if (name == "score" && weights_.head.adapter)
    core::fail_request("adapter.target_modules: a reward model has no {}", weights_.head.path);
  if (name == "score" && config_.pad_id < 0 && !has_adapter()) {
    const std::int64_t end = config_.eos_ids.empty() ? 0 : config_.eos_ids[0];
    config_.pad_id = pad_id >= 0 ? pad_id : end;
  }
  const auto like = weights_.embedding.options().requires_grad(false);
  head.weight = at::empty({outputs, config_.hidden_size}, like);
  fill_normal(head.weight, 0.02, seed, core::fingerprint(name));
  if (known.at(name).bias) head.bias = at::zeros({outputs}, like);
}

void Model::score_tokens() {
  scores_tokens_ = true;
  Linear& head = weights_.named_heads.at("score");
  head.path = family_with(config_).info().token_head;
  if (head.weight.defined() && !head.bias.defined())
    head.bias = at::zeros({head.weight.size(0)}, head.weight.options().requires_grad(false));
}

}  // namespace attune::model
