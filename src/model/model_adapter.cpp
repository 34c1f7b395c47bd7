// Adapters of a model: adding, reading, merging.
#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <set>

#include "core/error.h"
#include "model/adapter_targets.h"
#include "model/files/peft.h"
#include "model/files/tensor_slots.h"
#include "model/files/weight_loading.h"
#include "model/model.h"

namespace attune::model {
namespace {

at::ScalarType adapter_type(at::ScalarType model) { return model == at::kDouble ? at::kDouble : at::kFloat; }

std::string last_names(const TransformerWeights& weights) {
  std::set<std::string> names;
  for_each_linear(
      weights, [&](const Linear& linear) { names.insert(linear.path.substr(linear.path.rfind('.') + 1)); });
  return fmt::format("{}", fmt::join(names, ", "));
}

}  // namespace

bool Model::has_adapter() const {
  bool found = false;
  for_each_linear(weights_, [&](const Linear& linear) { found = found || linear.adapter.has_value(); });
  return found;
}

void Model::continue_adapter(double dropout) {
  for_each_linear(weights_, [&](Linear& linear) {
    if (!linear.adapter) return;
    linear.reference_adapter = linear.adapter->frozen();
    linear.adapter->dropout = dropout;
  });
  if (head_in_adapter_) weights_.reference_head = weights_.head.weight.detach().clone();
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
  for_each_linear(weights_, [&](Linear& linear) {
    if (!matcher.matches(linear.path)) return;
    linear.adapter = kind.fresh(options, {linear.path, linear.weight.size(0), linear.weight.size(1)}, seed);
    linear.adapter->dropout = options.dropout;
    for (at::Tensor& tensor : linear.adapter->tensors) tensor = tensor.to(like);
  });
}

void Model::require_targets(const ModelConfig& config, const AdapterOptions& options) {
  const TransformerWeights layers = make_skeleton(config, family_with(config));
  const auto targets = adapter_targets(config, options);
  const TargetMatcher matcher(targets);
  bool found = false;
  for_each_linear(layers, [&](const Linear& linear) { found = found || matcher.matches(linear.path); });
  if (!found)
    core::fail_request("adapter.target_modules: {} matches no linear layer of this model; there are: {}",
                       fmt::join(targets, ", "), last_names(layers));
}

void Model::read_adapter(const std::string& folder) {
  const PeftFolder adapter(folder);
  std::set<std::string> unknown;
  for (const auto& [path, tensors] : adapter.layers) unknown.insert(path);
  for_each_linear(weights_, [&](Linear& linear) {
    if (unknown.erase(linear.path) == 0) return;
    linear.adapter =
        adapter.load(linear.path, linear.weight.size(0), linear.weight.size(1), adapter_type(dtype()));
  });
  if (!unknown.empty())
    core::fail_request(
        "{}: module '{}' is no linear layer of the base model {}: is this the adapter of another model?",
        adapter.files.where(), *unknown.begin(), folder_);
  for (const auto& [name, stored] : adapter.saved_modules) read_saved_module(*stored, name);
  check_head_biases(weights_, adapter.files.where());
  adapter_json_ = adapter.config;
}

/// @param name of the tensor in the base model
void Model::read_saved_module(const StoredTensor& stored, const std::string& name) {
  if (name == weights_.head.path + ".weight") {
    if (stored.shape != std::vector<std::int64_t>{config_.vocab_size, config_.hidden_size})
      core::fail_request("{}: tensor '{}' has shape {}, which does not fit the base model", stored.file,
                         stored.name, shape_text(stored.shape));
    weights_.head.weight = stored.load(dtype());
    head_in_adapter_ = true;
    return;
  }
  std::string known = weights_.head.path;
  for (auto& [head, linear] : weights_.named_heads) {
    known += ", " + linear.path;
    const bool weight = name == linear.path + ".weight";
    if (!weight && name != linear.path + ".bias") continue;
    (weight ? linear.weight : linear.bias) =
        weight ? load_head_weight(stored, config_, dtype()) : stored.load(dtype());
    return;
  }
  core::fail_request("{}: tensor '{}': of modules_to_save only {} are supported", stored.file, stored.name,
                     known);
}

void Model::merge_adapter() {
  const c10::NoGradGuard no_grad;
  for_each_linear(weights_, [](Linear& linear) {
    if (!linear.adapter || linear.unmerged) return;
    const at::Tensor weight = linear.merged(Weights::kPolicy), bias = linear.merged_bias(Weights::kPolicy);
    linear.unmerged = {linear.weight.clone(), bias.defined() ? linear.bias.clone() : at::Tensor()};
    linear.weight.copy_(weight);
    if (bias.defined()) linear.bias.copy_(bias);
  });
}

void Model::unmerge_adapter() {
  const c10::NoGradGuard no_grad;
  for_each_linear(weights_, [](Linear& linear) {
    if (!linear.unmerged) return;
    linear.weight.copy_(linear.unmerged->weight);
    if (linear.bias.defined()) linear.bias.copy_(linear.unmerged->bias);
    linear.unmerged.reset();
  });
}

void Model::drop_adapter_after_merge() {
  const c10::NoGradGuard no_grad;
  for_each_linear(weights_, [](Linear& linear) {
    if (!linear.adapter) return;
    linear.weight.copy_(linear.merged(Weights::kPolicy));
    if (linear.bias.defined()) linear.bias.copy_(linear.merged_bias(Weights::kPolicy));
    linear.adapter.reset();
    linear.reference_adapter.reset();
    linear.unmerged.reset();
  });
}

}  // namespace attune::model
