#include "model/block/block.h"

#include <ATen/ATen.h>

#include <cmath>

#include "model/block/mlp.h"

namespace attune::model {

ScoreRule score_rule(const ModelConfig& config, std::size_t layer) {
  ScoreRule rule;
  rule.scale = config.attention_scale != 0 ? config.attention_scale
                                           : 1 / std::sqrt(static_cast<double>(config.head_dim));
  if (config.scale_by_layer) rule.scale /= static_cast<double>(layer + 1);
  rule.softcap = config.attention_softcap;
  rule.window = config.windows.empty() ? 0 : config.windows[layer];
  rule.slopes = config.alibi_slopes;
  return rule;
}

at::Tensor Block::forward(const at::Tensor& input, Attention& attention, Tap* tap) const {
  at::Tensor x = input;
  look(tap, Site::kBlockInput, x);
  const at::Tensor first = pre_normed(layer_.input_norm, x);
  const at::Tensor mixed = attended(first, attention, tap);
  at::Tensor out;
  if (config_.parallel_block) {
    const bool own_norm = layer_.post_norm.weight.defined();
    out = x + mixed + mlp_output(own_norm ? pre_normed(layer_.post_norm, x) : first, tap);
  } else {
    const at::Tensor middle = x + mixed;
    out = middle + mlp_output(pre_normed(layer_.post_norm, middle), tap);
  }
  look(tap, Site::kBlockOutput, out);
  return out;
}

/// [R, H, d], [R, K, d], [R, K, dv], before norms and rotation.
std::array<at::Tensor, 3> Block::split_heads(const at::Tensor& x) const {
  const std::int64_t heads = config_.heads, key_heads = config_.kv_heads;
  const std::int64_t width = config_.head_dim, value_width = config_.value_width();
  if (!config_.fused_qkv)
    return {linears_(layer_.qkv[0], x).view({-1, heads, width}),
            linears_(layer_.qkv[1], x).view({-1, key_heads, width}),
            linears_(layer_.qkv[2], x).view({-1, key_heads, value_width})};
  const at::Tensor all = linears_(layer_.qkv[0], x);
  if (config_.qkv_per_head) {
    const at::Tensor by_head = all.view({-1, heads, 2 * width + value_width});
    return {by_head.narrow(2, 0, width), by_head.narrow(2, width, width),
            by_head.narrow(2, 2 * width, value_width)};
  }
  const std::int64_t queries = heads * width, keys = key_heads * width;
  return {all.narrow(1, 0, queries).view({-1, heads, width}),
          all.narrow(1, queries, keys).view({-1, key_heads, width}),
          all.narrow(1, queries + keys, key_heads * value_width).view({-1, key_heads, value_width})};
}

at::Tensor Block::attended(const at::Tensor& x, Attention& attention, Tap* tap) const {
  auto [q, k, v] = split_heads(x);
  if (config_.qk_norm) q = layer_.q_norm.forward(q, config_), k = layer_.k_norm.forward(k, config_);
  if (const RopeTables* rope = attention.rope(config_, index_); rope && rope->cos.defined())
    q = rotate(q, *rope), k = rotate(k, *rope);
  look(tap, Site::kQueries, q);
  look(tap, Site::kKeys, k);
  look(tap, Site::kValues, v);
  at::Tensor mixed = attention.attend(index_, score_rule(config_, index_), q, k, v);
  look(tap, Site::kAttended, mixed);
  at::Tensor out = linears_(layer_.output, mixed);
  if (config_.post_norms) out = layer_.attention_output_norm.forward(out, config_);
  look(tap, Site::kAttentionOutput, out);
  return out;
}

at::Tensor Block::mlp_output(const at::Tensor& x, Tap* tap) const {
  at::Tensor out = mlp(config_, layer_, linears_, x);
  if (config_.post_norms) out = layer_.mlp_output_norm.forward(out, config_);
  look(tap, Site::kMlpOutput, out);
  return out;
}

}  // namespace attune::model
