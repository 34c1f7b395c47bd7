// Adapters of a model: adding, reading, merging; and what is trained.
#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <cmath>
#include <set>

#include "core/error.h"
#include "core/files/files.h"
#include "core/random.h"
#include "model/family.h"
#include "model/model.h"
#include "model/files/peft.h"
#include "model/files/tensor_slots.h"

namespace attune::model {
namespace {

at::ScalarType adapter_type(at::ScalarType model) { return model == at::kDouble ? at::kDouble : at::kFloat; }

/// Kaiming-uniform with a = sqrt(5), as PEFT: uniform in ±1/sqrt(in); "gaussian": normal(0, 1/rank).
at::Tensor fresh_a(const std::string& path, std::int64_t rank, std::int64_t in, const std::string& init,
                   std::uint64_t seed) {
  at::Tensor a = at::empty({rank, in}, at::kDouble);
  double* data = a.mutable_data_ptr<double>();
  const double bound = 1 / std::sqrt(static_cast<double>(in));
  for (std::int64_t i = 0; i < a.numel(); ++i) {
    const core::RandomKey key{.seed = seed,
                              .purpose = core::Purpose::kInit,
                              .record = core::fingerprint(path),
                              .token = static_cast<std::uint64_t>(i)};
    data[i] = init == "gaussian" ? core::normal(key) / static_cast<double>(rank)
                                 : bound * (2 * core::uniform(key) - 1);
  }
  return a;
}

std::vector<std::string> targets_of(const ModelConfig& config, const AdapterOptions& options) {
  return options.target_modules.empty() ? family_with(config).info().default_lora_targets
                                        : options.target_modules;
}

Lora frozen_copy(const Lora& lora) {
  return {lora.a.detach().clone(), lora.b.detach().clone(), lora.scale, 0};
}

/// A tensor that is trained: its name in the file, its place, and whether it decays.
struct TrainedPlace {
  std::string name;
  at::Tensor* place;
  bool decay;
};

/// What is trained, in file order: the adapters where there are any, else every weight; then a head that came
/// with an adapter, and the reward head.
std::vector<TrainedPlace> trained_places(TransformerWeights& weights, const ModelConfig& config,
                                         bool head_in_adapter, bool score) {
  std::vector<TrainedPlace> places;
  for_each_linear(weights, [&](Linear& linear) {
    if (!linear.adapter) return;
    places.push_back({kPeftPrefix + linear.path + ".lora_A.weight", &linear.adapter->a, true});
    places.push_back({kPeftPrefix + linear.path + ".lora_B.weight", &linear.adapter->b, true});
  });
  const bool lora = !places.empty();
  const std::string prefix = lora ? kPeftPrefix : "";
  for (TensorSlot& slot : tensor_slots(weights, config)) {
    const bool is_head = slot.place == &weights.head.weight || slot.place == &weights.head.bias;
    const bool decay = slot.kind == TensorSlot::Kind::kEmbedding || slot.kind == TensorSlot::Kind::kWeight;
    // a reward model is saved without its language-model head, so that is not trained either
    if (!lora && !(is_head && score)) places.push_back({slot.name, slot.place, decay});
  }
  if (head_in_adapter) places.push_back({prefix + weights.head.path + ".weight", &weights.head.weight, true});
  if (score) places.push_back({prefix + weights.score.path + ".weight", &weights.score.weight, true});
  return places;
}

template <class Weights>
std::string last_names(Weights& weights) {
  std::set<std::string> names;
  for_each_linear(
      weights, [&](const Linear& linear) { names.insert(linear.path.substr(linear.path.rfind('.') + 1)); });
  return fmt::format("{}", fmt::join(names, ", "));
}

}  // namespace

void AdapterOptions::declare(core::Fields& fields) {
  fields.add("type", type, "none trains every weight; lora trains low-rank updates.")
      .one_of({"none", "lora"});
  fields.add("rank", rank, "Rank of the update.").alias("r").positive();
  fields.add("alpha", alpha, "The update is scaled by alpha / rank (alpha / sqrt(rank) with rslora).")
      .alias("lora_alpha")
      .positive();
  fields.add("dropout", dropout, "Dropout on the adapter's input.").alias("lora_dropout").range(0, 0.999);
  fields.add("target_modules", target_modules,
             "Linear layers with an adapter: name suffixes, one regular expression, or all-linear.");
  fields.add("rslora", rslora, "Scale by alpha / sqrt(rank) (Kalajdzievski 2023).").alias("use_rslora");
  fields.add("init", init, "How A starts: default (Kaiming-uniform) or gaussian; B starts at zero.")
      .alias("init_lora_weights")
      .one_of({"default", "gaussian"});
}

bool Model::has_adapter() const {
  bool found = false;
  for_each_linear(weights_, [&](const Linear& linear) { found = found || linear.adapter.has_value(); });
  return found;
}

void Model::add_adapter(const AdapterOptions& options, std::uint64_t seed) {
  if (options.type == "none") return;
  if (has_adapter()) {  // a continued run: its start is the reference
    for_each_linear(weights_, [&](Linear& linear) {
      if (!linear.adapter) return;
      linear.reference_adapter = frozen_copy(*linear.adapter);
      linear.adapter->dropout = options.dropout;
    });
    if (head_in_adapter_) weights_.reference_head = weights_.head.weight.detach().clone();
    adapter_options_.dropout = options.dropout;
    return;
  }
  require_targets(config_, options);
  adapter_options_ = options;
  adapter_options_.target_modules = targets_of(config_, options);
  const TargetMatcher matcher(adapter_options_.target_modules);
  const auto rank = static_cast<double>(options.rank);
  const double scale = options.alpha / (options.rslora ? std::sqrt(rank) : rank);
  for_each_linear(weights_, [&](Linear& linear) {
    if (!matcher.matches(linear.path)) return;
    const auto like = at::TensorOptions().dtype(adapter_type(dtype())).device(linear.weight.device());
    const at::Tensor a =
        fresh_a(linear.path, options.rank, linear.weight.size(1), options.init, seed).to(like);
    linear.adapter = Lora{a, at::zeros({linear.weight.size(0), options.rank}, like), scale, options.dropout};
  });
}

void Model::require_targets(const ModelConfig& config, const AdapterOptions& options) {
  const TransformerWeights layers = make_skeleton(config, family_with(config));
  const auto targets = targets_of(config, options);
  const TargetMatcher matcher(targets);
  bool found = false;
  for_each_linear(layers, [&](const Linear& linear) { found = found || matcher.matches(linear.path); });
  if (!found)
    core::fail_request("adapter.target_modules: {} matches no linear layer of this model; there are: {}",
                       fmt::join(targets, ", "), last_names(layers));
}

void Model::read_adapter(const std::string& folder) {
  const PeftFolder adapter(folder);
  std::size_t used = 0;
  for_each_linear(weights_, [&](Linear& linear) {
    const auto found = adapter.loras.find(linear.path);
    if (found == adapter.loras.end()) return;
    const auto& [a, b] = found->second;
    if (a->shape[1] != linear.weight.size(1) || b->shape[0] != linear.weight.size(0))
      core::fail_request(
          "{}: module '{}': lora_A {} and lora_B {} do not fit its weight [{}, {}]: is this the adapter of "
          "another model?",
          a->file, linear.path, shape_text(a->shape), shape_text(b->shape), linear.weight.size(0),
          linear.weight.size(1));
    const auto type = adapter_type(dtype());
    linear.adapter = Lora{a->load(type), b->load(type), adapter.scale_of(linear.path), 0};
    ++used;
  });
  if (used != adapter.loras.size() || (used == 0 && adapter.saved_modules.empty()))
    for (const auto& [path, unused] : adapter.loras) {
      bool known = false;
      for_each_linear(weights_, [&](const Linear& linear) { known = known || linear.path == path; });
      if (!known)
        core::fail_request(
            "{}: module '{}' is no linear layer of the base model {}: is this the adapter of another model?",
            adapter.files.where(), path, folder_);
    }
  for (const auto& [name, stored] : adapter.saved_modules) {
    const bool score = name == weights_.score.path + ".weight", head = name == weights_.head.path + ".weight";
    if (!score && !head)
      core::fail_request("{}: tensor '{}': of modules_to_save only {} and {} are supported", stored->file,
                         stored->name, weights_.score.path, weights_.head.path);
    if (stored->shape.size() != 2 || stored->shape[1] != config_.hidden_size ||
        (head && stored->shape[0] != config_.vocab_size))
      core::fail_request("{}: tensor '{}' has shape {}, which does not fit the base model", stored->file,
                         stored->name, shape_text(stored->shape));
    (score ? weights_.score : weights_.head).weight = stored->load(dtype());
    head_in_adapter_ = head_in_adapter_ || head;
  }
  adapter_json_ = adapter.config;
}

Head Model::head(Weights which) const {
  const bool start = which == Weights::kReference && weights_.reference_head.defined();
  return {start ? weights_.reference_head : weights_.head.weight, weights_.head.bias, config_.logit_softcap};
}

Head Model::score_head() const { return {weights_.score.weight, weights_.score.bias, 0}; }

std::vector<Parameter> Model::trainable() {
  for (TensorSlot& slot : tensor_slots(weights_, config_)) slot.place->set_requires_grad(false);
  std::vector<Parameter> out;
  for (const auto& [name, place, decay] :
       trained_places(weights_, config_, head_in_adapter_, weights_.score.weight.defined())) {
    if (!place->is_leaf()) *place = place->detach();
    place->set_requires_grad(true);
    out.push_back({name, *place, decay});
  }
  if (config_.tie_embeddings && !head_in_adapter_ && weights_.head.weight.defined())
    weights_.head.weight = weights_.embedding;
  return out;
}

std::vector<std::string> Model::trainable_names(const ModelConfig& config, const AdapterOptions& adapter,
                                                bool score) {
  TransformerWeights layers = make_skeleton(config, family_with(config));
  const TargetMatcher matcher(targets_of(config, adapter));
  for_each_linear(layers, [&](Linear& linear) {
    if (adapter.type != "none" && matcher.matches(linear.path)) linear.adapter.emplace();
  });
  std::vector<std::string> names;
  for (const auto& trained : trained_places(layers, config, /*head_in_adapter=*/false, score))
    names.push_back(trained.name);
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

void Model::merge_adapter() {
  const c10::NoGradGuard no_grad;
  for_each_linear(weights_, [](Linear& linear) {
    if (!linear.adapter || linear.adapter_merged) return;
    linear.weight.copy_(linear.merged(Weights::kPolicy));
    linear.adapter_merged = true;
  });
}

void Model::unmerge_adapter() {
  const c10::NoGradGuard no_grad;
  for_each_linear(weights_, [](Linear& linear) {
    if (!linear.adapter || !linear.adapter_merged) return;
    const auto kept = linear.reference_adapter;
    linear.reference_adapter.reset();
    linear.weight.copy_(linear.merged(Weights::kReference));
    linear.reference_adapter = kept;
    linear.adapter_merged = false;
  });
}

}  // namespace attune::model
