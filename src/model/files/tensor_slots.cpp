#include "model/files/tensor_slots.h"

#include <utility>

#include "core/error.h"
#include "model/signal.h"

namespace attune::model {
namespace {

using Kind = TensorSlot::Kind;

std::string in_layer(const std::string& prefix, const std::string& name, std::int64_t layer) {
  const auto at = name.find("{}");
  ATTUNE_ASSERT(at != std::string::npos);
  return prefix + name.substr(0, at) + std::to_string(layer) + name.substr(at + 2);
}

class Walker {
 public:
  Walker(TransformerWeights& weights, const ModelConfig& config) : weights_(weights), config_(config) {
    const SizeKeys& keys = config.keys;
    hidden_ = {config.hidden_size, keys.hidden};
    inner_ = {config.intermediate_size, keys.intermediate};
    queries_ = {config.heads * config.head_dim, keys.heads + " * " + keys.head_dim};
    key_rows_ = {config.kv_heads * config.head_dim, keys.kv_heads + " * " + keys.head_dim};
    value_rows_ = {config.kv_heads * config.value_width(), keys.kv_heads + " * " + keys.value_dim};
    mixed_ = {config.heads * config.value_width(), keys.heads + " * " + keys.value_dim};
  }

  std::vector<TensorSlot> walk(const std::string& embedding, const std::string& positions) {
    const Extent vocab{config_.vocab_size, config_.keys.vocab};
    add(embedding + ".weight", weights_.embedding, {vocab, hidden_}, Kind::kEmbedding);
    if (config_.learned_positions)
      add(positions + ".weight", weights_.positions,
          {{config_.max_positions, config_.keys.positions}, hidden_}, Kind::kEmbedding);
    for (auto& layer : weights_.layers) walk_layer(layer);
    norm(weights_.final_norm, hidden_);
    if (!config_.tie_embeddings && !config_.is_classifier())
      linear(weights_.head, vocab, hidden_, config_.head_bias);
    return std::move(slots_);
  }

 private:
  void walk_layer(Layer& layer) {
    if (config_.pre_norms) norm(layer.input_norm, hidden_);
    if (config_.fused_qkv) {
      const std::string keys = config_.value_width() == config_.head_dim
                                   ? " + 2 * " + key_rows_.keys
                                   : " + " + key_rows_.keys + " + " + value_rows_.keys;
      const Extent rows{queries_.size + key_rows_.size + value_rows_.size, queries_.keys + keys};
      linear(layer.qkv[0], rows, hidden_, config_.qkv_bias);
    } else {
      linear(layer.qkv[0], queries_, hidden_, config_.qkv_bias);
      linear(layer.qkv[1], key_rows_, hidden_, config_.qkv_bias);
      linear(layer.qkv[2], value_rows_, hidden_, config_.qkv_bias);
    }
    linear(layer.output, hidden_, mixed_, config_.output_bias);
    if (config_.qk_norm) {
      norm(layer.q_norm, {config_.head_dim, config_.keys.head_dim});
      norm(layer.k_norm, {config_.head_dim, config_.keys.head_dim});
    }
    if (config_.post_norms) norm(layer.attention_output_norm, hidden_);
    if (config_.pre_norms && !layer.post_norm.path.empty()) norm(layer.post_norm, hidden_);
    const bool fused = config_.fused_gate_up && layer.mlp == MlpKind::kGated;
    const Extent up{fused ? 2 * inner_.size : inner_.size, inner_.keys};
    for (auto& linear_layer : layer.up) linear(linear_layer, up, hidden_, config_.mlp_bias);
    linear(layer.down, hidden_, inner_, config_.mlp_bias);
    if (config_.post_norms) norm(layer.mlp_output_norm, hidden_);
  }

  void norm(Norm& norm, const Extent& width) {
    add(norm.path + ".weight", norm.weight, {width}, Kind::kNorm);
    if (config_.norm == NormKind::kLayer) add(norm.path + ".bias", norm.bias, {width}, Kind::kBias);
  }

  void linear(Linear& linear, const Extent& out, const Extent& in, bool bias) {
    add(linear.path + ".weight", linear.weight, {out, in}, Kind::kWeight);
    slots_.back().transposed = linear.conv1d;
    if (bias) add(linear.path + ".bias", linear.bias, {out}, Kind::kBias);
  }

  void add(std::string name, at::Tensor& place, std::vector<Extent> shape, Kind kind) {
    slots_.push_back({std::move(name), &place, std::move(shape), kind, false});
  }

  TransformerWeights& weights_;
  const ModelConfig& config_;
  Extent hidden_, inner_, queries_, key_rows_, value_rows_, mixed_;
  std::vector<TensorSlot> slots_;
};

}  // namespace

std::vector<std::int64_t> TensorSlot::sizes() const {
  std::vector<std::int64_t> out;
  for (const auto& extent : shape) out.push_back(extent.size);
  return out;
}

std::vector<std::int64_t> TensorSlot::stored_sizes() const {
  auto out = sizes();
  if (transposed) std::swap(out[0], out[1]);
  return out;
}

TransformerWeights make_skeleton(const ModelConfig& config, const Family& family) {
  const TensorNames names = family.names(config);
  const FamilyInfo info = family.info();
  const std::string& prefix = info.body_prefix;
  TransformerWeights weights;
  weights.embedding_path = prefix + names.embedding;
  weights.lookup.path = weights.embedding_path;
  weights.lookup.lookup = true;
  if (!names.positions.empty()) weights.positions_path = prefix + names.positions;
  weights.final_norm.path = prefix + names.final_norm;
  weights.head.path = names.head;
  for (const auto& [name, head] : known_heads()) weights.named_heads[name].path = head.path;
  if (config.classifier == kTokenClassifier) weights.named_heads["score"].path = info.token_head;
  for (std::int64_t i = 0; i < config.layers; ++i) {
    const auto place = [&](const std::string& name) { return name.empty() ? "" : in_layer(prefix, name, i); };
    const auto linear = [&](const std::string& name) {
      Linear out;
      out.path = place(name);
      out.conv1d = names.conv1d;
      return out;
    };
    Layer layer;
    layer.input_norm.path = place(names.input_norm);
    layer.post_norm.path = place(names.post_norm);
    layer.q_norm.path = place(names.q_norm);
    layer.k_norm.path = place(names.k_norm);
    for (const auto& name : names.qkv) layer.qkv.push_back(linear(name));
    layer.attention_output_norm.path = place(names.attention_output_norm);
    layer.mlp_output_norm.path = place(names.mlp_output_norm);
    layer.mlp = config.mlp_of(static_cast<std::size_t>(i));
    for (const auto& name : names.up)
      if (layer.mlp == MlpKind::kGated || &name == &names.up.back()) layer.up.push_back(linear(name));
    layer.output = linear(names.output);
    layer.down = linear(names.down);
    weights.layers.push_back(std::move(layer));
  }
  return weights;
}

std::vector<std::pair<std::string, at::Tensor>> head_tensors(const TransformerWeights& weights) {
  std::vector<std::pair<std::string, at::Tensor>> tensors;
  for (const auto& [name, head] : weights.named_heads) {
    if (head.weight.defined()) tensors.emplace_back(head.path + ".weight", head.weight);
    if (head.bias.defined()) tensors.emplace_back(head.path + ".bias", head.bias);
  }
  return tensors;
}

at::Tensor merged_embedding(const TransformerWeights& weights, Weights which) {
  Linear layer = weights.lookup;
  if (!layer.acting_adapter(which))
    return layer.unmerged && which == Weights::kReference ? layer.unmerged->weight.t() : weights.embedding;
  layer.weight = weights.embedding.t();
  return layer.merged(which).t().contiguous();
}

std::map<const at::Tensor*, std::function<at::Tensor()>> adapter_effects(const TransformerWeights& weights) {
  std::map<const at::Tensor*, std::function<at::Tensor()>> effects;
  if (weights.lookup.adapter)
    effects[&weights.embedding] = [&weights] { return merged_embedding(weights, Weights::kPolicy); };
  for_each_adaptable(weights, [&](const Linear& linear) {
    if (!linear.adapter || linear.lookup) return;
    effects[&linear.weight] = [&linear] { return linear.merged(Weights::kPolicy); };
    if (linear.bias.defined())
      effects[&linear.bias] = [&linear] { return linear.merged_bias(Weights::kPolicy); };
  });
  return effects;
}

std::vector<TensorSlot> tensor_slots(TransformerWeights& weights, const ModelConfig& config) {
  return Walker(weights, config).walk(weights.embedding_path, weights.positions_path);
}

}  // namespace attune::model
