#include "model/transformer.h"

#include <ATen/ATen.h>

#include <cmath>
#include <map>
#include <memory>

#include "core/error.h"
#include "model/block/attention.h"
#include "model/block/dropout.h"
#include "model/block/fused.h"

namespace attune::model {
namespace {

/// What every layer of one pass needs.
class Pass {
 public:
  Pass(const ModelConfig& config, const core::Forest& forest, Weights which, const AdapterDropout* dropout,
       const at::Tensor& like)
      : config_(config), forest_(forest), which_(which), dropout_(dropout) {
    if (config.rope.kind != RopeKind::kNone) tables_ = rope_tables(config, forest, like);
  }

  at::Tensor layer(const Layer& layer, std::size_t index, const at::Tensor& x) {
    const at::Tensor normed = layer.input_norm.forward(x, config_);
    const at::Tensor attended = attention(layer, index, normed);
    if (config_.parallel_block) {
      const bool own_norm = layer.post_norm.weight.defined();
      return x + attended + mlp(layer, own_norm ? layer.post_norm.forward(x, config_) : normed);
    }
    const at::Tensor middle = x + attended;
    return middle + mlp(layer, layer.post_norm.forward(middle, config_));
  }

 private:
  at::Tensor attention(const Layer& layer, std::size_t index, const at::Tensor& x) {
    const std::int64_t heads = config_.heads, key_heads = config_.kv_heads, dims = config_.head_dim;
    at::Tensor q, k, v;
    if (config_.fused_qkv) {
      const at::Tensor all = layer.qkv[0].forward(x, which_, dropout_);
      if (config_.qkv_per_head) {
        const at::Tensor by_head = all.view({-1, heads, 3, dims});
        q = by_head.select(2, 0), k = by_head.select(2, 1), v = by_head.select(2, 2);
      } else {
        const auto parts =
            all.view({-1, heads + 2 * key_heads, dims}).split_with_sizes({heads, key_heads, key_heads}, 1);
        q = parts[0], k = parts[1], v = parts[2];
      }
    } else {
      q = layer.qkv[0].forward(x, which_, dropout_).view({-1, heads, dims});
      k = layer.qkv[1].forward(x, which_, dropout_).view({-1, key_heads, dims});
      v = layer.qkv[2].forward(x, which_, dropout_).view({-1, key_heads, dims});
    }
    if (config_.qk_norm) q = layer.q_norm.forward(q, config_), k = layer.k_norm.forward(k, config_);
    if (tables_.cos.defined() && config_.rope_layers[index])
      q = rotate(q, tables_.cos, tables_.sin), k = rotate(k, tables_.cos, tables_.sin);
    double scale =
        config_.attention_scale != 0 ? config_.attention_scale : 1 / std::sqrt(static_cast<double>(dims));
    if (config_.scale_by_layer) scale /= static_cast<double>(index + 1);
    return layer.output.forward(attend(q, k, v, plan(config_.windows[index]), scale), which_, dropout_);
  }

  at::Tensor mlp(const Layer& layer, const at::Tensor& x) {
    at::Tensor inner = layer.up[0].forward(x, which_, dropout_);
    if (!config_.gated_mlp) return layer.down.forward(activate(inner, config_.activation), which_, dropout_);
    at::Tensor up;
    if (config_.fused_gate_up) {
      const auto halves = inner.chunk(2, 1);
      inner = halves[0], up = halves[1];
    } else {
      up = layer.up[1].forward(x, which_, dropout_);
    }
    return layer.down.forward(gated(inner, up, config_.activation), which_, dropout_);
  }

  std::shared_ptr<const AttentionPlan> plan(std::int64_t window) {
    auto& known = plans_[window];
    if (!known) known = std::make_shared<const AttentionPlan>(plan_attention(forest_, window));
    return known;
  }

  const ModelConfig& config_;
  const core::Forest& forest_;
  Weights which_;
  const AdapterDropout* dropout_;
  RopeTables tables_;
  std::map<std::int64_t, std::shared_ptr<const AttentionPlan>> plans_;
};

void check_stream(const ModelConfig& config, const core::Forest& forest) {
  for (const auto id : forest.tokens)
    if (id < 0 || id >= config.vocab_size)
      core::fail_request(
          "token id {} is outside the model's vocabulary of {}: data and model use different tokenizers", id,
          config.vocab_size);
  if (!config.learned_positions) return;
  for (const auto length : forest.sequence_lengths)
    if (length > config.max_positions)
      core::fail_request(
          "a sequence of {} tokens is longer than the model's context ({} = {}): set data.max_length", length,
          config.keys.positions, config.max_positions);
}

at::Tensor to_index(const std::vector<std::int32_t>& values, const at::Tensor& like) {
  return at::from_blob(const_cast<std::int32_t*>(values.data()), {static_cast<std::int64_t>(values.size())},
                       at::kInt)
      .to(like.device(), at::kLong);
}

}  // namespace

at::Tensor Norm::forward(const at::Tensor& x, const ModelConfig& config) const {
  if (config.norm == NormKind::kLayer) return at::layer_norm(x, {x.size(-1)}, weight, bias, config.norm_eps);
  return rms_norm(x, weight, config.norm_eps, config.norm_plus_one);
}

at::Tensor hidden_states(const TransformerWeights& weights, const ModelConfig& config,
                         const core::Forest& forest, Weights which,
                         std::optional<std::uint64_t> dropout_seed) {
  check_stream(config, forest);
  std::optional<AdapterDropout> dropout;
  if (dropout_seed) dropout = make_dropout(*dropout_seed, forest);
  at::Tensor x = at::embedding(weights.embedding, to_index(forest.tokens, weights.embedding));
  if (config.embedding_scale != 1)
    x = x *
        at::scalar_tensor(config.embedding_scale, x.options());  // rounded to the model's type, as Gemma does
  if (weights.positions.defined()) x = x + at::embedding(weights.positions, to_index(forest.positions, x));
  Pass pass(config, forest, which, dropout ? &*dropout : nullptr, x.detach());
  for (std::size_t i = 0; i < weights.layers.size(); ++i) x = pass.layer(weights.layers[i], i, x);
  return weights.final_norm.forward(x, config);
}

}  // namespace attune::model
