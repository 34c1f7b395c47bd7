// Adapters of a model: adding, reading, merging.
#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <map>
#include <set>

#include "core/error.h"
#include "model/adapter_modules.h"
#include "model/files/peft.h"
#include "model/files/tensor_slots.h"
#include "model/files/weight_loading.h"
#include "model/model.h"

namespace attune::model {
namespace {

at::ScalarType adapter_type(at::ScalarType model) { return model == at::kDouble ? at::kDouble : at::kFloat; }

/// Takes out of an adapter's tensors those of the named heads that nobody reads. @return their names
/// @param heads that are read
std::vector<std::string> leave_heads_out(std::map<std::string, const StoredTensor*>& stored,
                                         const TransformerWeights& weights,
                                         const std::set<std::string>& heads) {
  std::vector<std::string> left;
  for (const auto& [name, head] : weights.named_heads)
    for (const char* part : {".weight", ".bias"})
      if (!heads.contains(name) && stored.erase(head.path + part) > 0) left.push_back(head.path + part);
  std::ranges::sort(left);
  return left;
}

}  // namespace

bool Model::has_adapter() const {
  bool found = false;
  for_each_adaptable(weights_, [&](const Linear& linear) { found = found || linear.adapter.has_value(); });
  return found;
}

/// Marks modules as trained in full beside the adapter. A head that was tied is so no longer.
void Model::own_modules(const std::set<std::string>& modules) {
  if (modules.contains(weights_.head.path) || modules.contains(weights_.embedding_path))
    config_.tie_embeddings = false;
  saved_modules_.insert(modules.begin(), modules.end());
}

/// Keeps modules that are trained in full as they are now, for the reference: training gets copies.
void Model::keep_start() {
  if (saved_modules_.empty()) return;
  weights_.start = nullptr;
  weights_.start = std::make_shared<const TransformerWeights>(weights_);
  for (const TensorSlot& slot : tensor_slots(weights_, config_))
    if (saved_modules_.contains(module_of(slot.name))) *slot.place = slot.place->detach().clone();
}

void Model::continue_adapter(double dropout) {
  for_each_adaptable(weights_, [&](Linear& linear) {
    if (!linear.adapter) return;
    linear.reference_adapter = linear.adapter->frozen();
    linear.adapter->dropout = dropout;
  });
  keep_start();
  adapter_options_.dropout = dropout;
}

void Model::add_adapter(const AdapterOptions& options, std::uint64_t seed) {
  if (options.type == "none") return;
  if (has_adapter()) return continue_adapter(options.dropout);
  require_targets(config_, options);
  adapter_options_ = options;
  adapter_options_.target_modules = adapter_targets(config_, options);
  const Adapter& kind = adapter_named(options.type);
  const TargetMatcher matcher(adapter_options_.target_modules);
  const auto like = at::TensorOptions().dtype(adapter_type(dtype())).device(weights_.embedding.device());
  for_each_adaptable(weights_, [&](Linear& linear) {
    if (!is_target(matcher, weights_, linear)) return;
    const at::Tensor weight = linear.lookup ? weights_.embedding.t() : linear.weight;
    linear.adapter =
        kind.fresh(options, {linear.path, weight.size(0), weight.size(1), "", linear.lookup}, seed);
    linear.adapter->dropout = options.dropout;
    for (at::Tensor& tensor : linear.adapter->tensors) tensor = tensor.to(like);
  });
  own_modules(modules_in_full(weights_, config_, options));
  keep_start();
}

void Model::require_targets(const ModelConfig& config, const AdapterOptions& options) {
  TransformerWeights layers = make_skeleton(config, family_with(config));
  const auto targets = adapter_targets(config, options);
  const TargetMatcher matcher(targets);
  const auto full = modules_in_full(layers, config, options);
  bool found = false;
  for_each_adaptable(layers, [&](const Linear& linear) {
    if (!is_target(matcher, layers, linear)) return;
    found = true;
    if (full.contains(linear.path))
      core::fail_request("adapter: {} is among target_modules and modules_to_save: one of them trains it",
                         linear.path);
    if (linear.adapter_parts(adapter_named(options.type)).empty())
      core::fail_request(
          "adapter.target_modules: {} is the embedding, which {} does not adapt; "
          "adapter.modules_to_save trains it whole",
          linear.path, options.type);
    if (&linear == &layers.head && config.is_classifier())
      core::fail_request("adapter.target_modules: a reward model has no {}", linear.path);
    if (&linear == &layers.head && options.dropout > 0)
      core::fail_request("adapter.dropout={} is not supported with {} among target_modules: set it to 0",
                         options.dropout, linear.path);
  });
  if (!found)
    core::fail_request("adapter.target_modules: {} matches no layer of this model; there are: {}",
                       fmt::join(targets, ", "), last_names(layers));
}

/// @param heads named heads that are read, besides that of a reward model
void Model::read_adapter(const std::string& folder, const std::set<std::string>& heads) {
  const PeftFolder adapter(folder);
  const core::Json task = adapter.config.value("task_type", core::Json());
  if (task == "TOKEN_CLS") score_tokens();
  std::set<std::string> unknown;
  for (const auto& [path, tensors] : adapter.layers) unknown.insert(path);
  for_each_adaptable(weights_, [&](Linear& linear) {
    if (unknown.erase(linear.path) == 0) return;
    if (!linear.lookup && !linear.weight.defined()) {
      unknown.insert(linear.path);
      return;
    }
    const at::Tensor weight = linear.lookup ? weights_.embedding.t() : linear.weight;
    linear.adapter = adapter.load(linear, weight.size(0), weight.size(1), adapter_type(dtype()));
  });
  if (!unknown.empty())
    core::fail_request(
        "{}: module '{}' is no linear layer of the base model {}: is this the adapter of another model?",
        adapter.files.where(), *unknown.begin(), folder_);
  std::set<std::string> read = heads;
  if (config_.is_classifier() || task == "TOKEN_CLS" || task == "SEQ_CLS") read.insert("score");
  auto saved = adapter.saved_modules;
  load_report_.adapter_where = adapter.files.where();
  load_report_.unread_adapter_heads = leave_heads_out(saved, weights_, read);
  read_saved_modules(saved, adapter.files.where());
  check_head_biases(weights_, adapter.files.where());
  adapter_json_ = adapter.config;
}

/// @param stored by the tensor's name in the base model
void Model::read_saved_modules(const std::map<std::string, const StoredTensor*>& stored,
                               const std::string& where) {
  constexpr std::string_view kBase =
      ".base_layer.";  // PEFT adds the plain weights of embeddings with an adapter
  std::map<std::string, const StoredTensor*> tensors;
  std::set<std::string> full;
  for (const auto& [name, tensor] : stored) {
    if (read_head_tensor(*tensor, name)) continue;
    const auto base = name.find(kBase);
    const bool plain = base != std::string::npos;
    const std::string own = plain ? name.substr(0, base + 1) + name.substr(base + kBase.size()) : name;
    tensors[own] = tensor;
    if (!plain) full.insert(module_of(own));
  }
  own_modules(full);
  for (const TensorSlot& slot : tensor_slots(weights_, config_)) {
    const auto found = tensors.find(slot.name);
    if (found == tensors.end()) continue;
    *slot.place = load_slot(*found->second, slot, config_, where, dtype());
    if (slot.place == &weights_.embedding && config_.tie_embeddings)
      weights_.head.weight = weights_.embedding;
    tensors.erase(found);
  }
  tensors.erase(weights_.head.path + ".weight");  // of a tied head, the plain weight
  if (!tensors.empty())
    core::fail_request(
        "{}: tensor '{}': the base model {} has no such module: is this the adapter of another model?", where,
        tensors.begin()->second->name, folder_);
}

/// A named head's weight or bias; false when the tensor is none.
bool Model::read_head_tensor(const StoredTensor& stored, const std::string& name) {
  for (auto& [head, linear] : weights_.named_heads) {
    const bool weight = name == linear.path + ".weight";
    if (!weight && name != linear.path + ".bias") continue;
    (weight ? linear.weight : linear.bias) =
        weight ? load_head_weight(stored, config_, dtype()) : stored.load(dtype());
    return true;
  }
  return false;
}

/// The embedding and the output head: where they were one and have an adapter, they are so no longer.
void Model::merge_ends() {
  Linear &lookup = weights_.lookup, &head = weights_.head;
  if (lookup.adapter && !lookup.unmerged) {
    const at::Tensor plain = weights_.embedding;
    weights_.embedding = merged_embedding(weights_, Weights::kPolicy);
    lookup.unmerged = {plain.t(), {}};
    config_.tie_embeddings = false;
  }
  if (head.adapter && !head.unmerged) config_.tie_embeddings = false;
}

/// Layers get other tensors, so that nothing else that holds the plain ones sees a change.
void Model::merge_adapter() {
  const c10::NoGradGuard no_grad;
  merge_ends();
  for_each_adaptable(weights_, [](Linear& linear) {
    if (!linear.adapter || linear.unmerged) return;
    const Affine plain{linear.weight, linear.bias};
    linear.weight = linear.merged(Weights::kPolicy);
    linear.bias = linear.merged_bias(Weights::kPolicy);
    linear.unmerged = plain;
  });
}

void Model::unmerge_adapter() {
  for_each_adaptable(weights_, [&](Linear& linear) {
    if (!linear.unmerged) return;
    (linear.lookup ? weights_.embedding : linear.weight) =
        linear.lookup ? linear.unmerged->weight.t() : linear.unmerged->weight;
    linear.bias = linear.unmerged->bias;
    linear.unmerged.reset();
  });
  const at::Tensor &head = weights_.head.weight, &embedding = weights_.embedding;
  if (head.defined() && head.const_data_ptr() == embedding.const_data_ptr()) {
    weights_.head.weight = embedding;
    config_.tie_embeddings = true;
  }
}

void Model::drop_adapter_after_merge() {
  merge_adapter();
  for_each_adaptable(weights_, [](Linear& linear) {
    linear.adapter.reset();
    linear.reference_adapter.reset();
    linear.unmerged.reset();
  });
  weights_.start = nullptr;
}

}  // namespace attune::model
