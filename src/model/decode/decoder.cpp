#include "model/decode/decoder.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "core/error.h"
#include "core/threads.h"
#include "model/block/fused.h"

namespace attune::model {
namespace {

/// Multiply-adds of attention for which starting another thread pays.
constexpr std::int64_t kWorkPerThread = std::int64_t{1} << 21;
/// Prompt tokens computed at once: bounds the memory of activations.
constexpr std::size_t kRowsPerPass = 1024;

/// The rows as a forest of single tokens, which is what rope_tables() wants to know about them.
core::Forest positions_of(std::span<const DecodeRow> rows) {
  core::Forest forest;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const auto begin = static_cast<std::int32_t>(i);
    forest.tokens.push_back(rows[i].token);
    forest.positions.push_back(rows[i].position);
    forest.segments.push_back({-1, begin, begin + 1, begin + 1, rows[i].position, rows[i].table});
  }
  return forest;
}

template <class Get>
at::Tensor row_numbers(std::span<const DecodeRow> rows, Get get) {
  at::Tensor numbers = at::empty({static_cast<std::int64_t>(rows.size())}, at::kLong);
  std::transform(rows.begin(), rows.end(), numbers.mutable_data_ptr<std::int64_t>(), get);
  return numbers;
}

}  // namespace

struct Decoder::Step {
  std::span<const DecodeRow> rows;
  RopeTables rope;             ///< [R, dims/2] float32, undefined without rotation
  std::int64_t keys_seen = 0;  ///< keys that all rows look at
};

/// Rotates [R, heads, head_dim] in place.
void Decoder::rotate_rows(at::Tensor& heads, const RopeTables& rope) {
  const std::int64_t count = heads.size(1), width = heads.size(2), half = rope.cos.size(1);
  auto* data = heads.mutable_data_ptr<float>();
  const auto* cos = rope.cos.const_data_ptr<float>();
  const auto* sin = rope.sin.const_data_ptr<float>();
  for (std::int64_t r = 0; r < heads.size(0); ++r) {
    rotate_heads(data + r * count * width, count, width, cos + r * half, sin + r * half, half);
  }
}

void Decoder::store_rows(const AttentionShape& shape, const Step& step, const at::Tensor& k,
                         const at::Tensor& v) {
  const std::int64_t size = k.size(1) * k.size(2);
  const auto* keys = k.const_data_ptr<float>();
  const auto* values = v.const_data_ptr<float>();
  for (std::size_t r = 0; r < step.rows.size(); ++r) {
    const auto offset = static_cast<std::int64_t>(r) * size;
    store_key_value(shape, {step.rows[r].blocks, step.rows[r].position}, keys + offset, values + offset);
  }
}

void Decoder::attend_rows(const AttentionShape& shape, const Step& step, const at::Tensor& q,
                          at::Tensor& mixed) {
  const std::int64_t kv_heads = shape.kv.kv_heads, size = q.size(1) * q.size(2);
  const auto* queries = q.const_data_ptr<float>();
  auto* out = mixed.mutable_data_ptr<float>();
  const auto part = [&](std::int64_t, std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const DecodeRow& row = step.rows[static_cast<std::size_t>(i / kv_heads)];
      const std::int64_t offset = i / kv_heads * size;
      attend(shape, {row.blocks, row.position}, i % kv_heads, queries + offset, out + offset);
    }
  };
  const std::int64_t workers = step.keys_seen * size / kWorkPerThread;
  core::parallel_for(q.size(0) * kv_heads, std::clamp<std::int64_t>(workers, 1, at::get_num_threads()), part);
}

at::Tensor Decoder::DecodeLinear::operator()(const at::Tensor& x) const {
  return bias.defined() ? at::addmm(bias, x, weight.t()) : at::mm(x, weight.t());
}

Decoder::Decoder(const TransformerWeights& weights, const ModelConfig& config, Weights which)
    : weights_(weights), config_(config), shape_{config.layers, config.kv_heads, config.head_dim} {
  const c10::InferenceMode no_gradients;
  const auto taken = [this, which](const Linear& linear) {
    work_per_row_ += linear.weight.numel();
    return DecodeLinear{linear.merged(which), linear.merged_bias(which)};
  };
  const auto all_taken = [&taken](const std::vector<Linear>& linears) {
    std::vector<DecodeLinear> result;
    for (const Linear& linear : linears) result.push_back(taken(linear));
    return result;
  };
  for (const Layer& layer : weights.layers) {
    layers_.push_back({all_taken(layer.qkv), all_taken(layer.up), taken(layer.output), taken(layer.down)});
  }
  if (!weights.head.weight.defined()) {
    core::fail_request("this model has no language-model head (a reward model?): it cannot write text");
  }
  head_ = taken(weights.head);
  if (which == Weights::kReference && weights.reference_head.defined()) head_.weight = weights.reference_head;
}

std::array<at::Tensor, 3> Decoder::split_heads(std::size_t layer, const at::Tensor& x) const {
  const std::int64_t heads = config_.heads, kv_heads = config_.kv_heads, width = config_.head_dim;
  const std::vector<DecodeLinear>& qkv = layers_[layer].qkv;
  if (!config_.fused_qkv) {
    return {qkv[0](x).view({-1, heads, width}), qkv[1](x).view({-1, kv_heads, width}),
            qkv[2](x).view({-1, kv_heads, width})};
  }
  const at::Tensor all = qkv[0](x);
  if (config_.qkv_per_head) {
    const at::Tensor by_head = all.view({-1, heads, 3, width});
    return {by_head.select(2, 0), by_head.select(2, 1), by_head.select(2, 2)};
  }
  const auto parts =
      all.view({-1, heads + 2 * kv_heads, width}).split_with_sizes({heads, kv_heads, kv_heads}, 1);
  return {parts[0], parts[1], parts[2]};
}

AttentionShape Decoder::attention_shape(std::size_t layer) const {
  AttentionShape shape{shape_, static_cast<std::int64_t>(layer), config_.heads, config_.windows[layer], 1};
  double scale = config_.attention_scale;
  if (scale == 0) scale = 1 / std::sqrt(static_cast<double>(config_.head_dim));
  shape.scale = static_cast<float>(config_.scale_by_layer ? scale / static_cast<double>(layer + 1) : scale);
  return shape;
}

at::Tensor Decoder::attention(const Step& step, std::size_t layer, const at::Tensor& x) const {
  auto [q, k, v] = split_heads(layer, x);
  if (config_.qk_norm) {
    q = weights_.layers[layer].q_norm.forward(q, config_);
    k = weights_.layers[layer].k_norm.forward(k, config_);
  }
  q = q.to(at::kFloat).contiguous();
  k = k.to(at::kFloat).contiguous();
  v = v.to(at::kFloat).contiguous();
  if (step.rope.cos.defined() && config_.rope_layers[layer]) {
    rotate_rows(q, step.rope);
    rotate_rows(k, step.rope);
  }
  at::Tensor mixed = at::empty({q.size(0), q.size(1) * q.size(2)}, at::kFloat);
  store_rows(attention_shape(layer), step, k, v);
  attend_rows(attention_shape(layer), step, q, mixed);
  return layers_[layer].output(mixed.to(x.scalar_type()));
}

at::Tensor Decoder::mlp(std::size_t layer, const at::Tensor& x) const {
  const DecodeLayer& weights = layers_[layer];
  at::Tensor inner = weights.up[0](x);
  if (!config_.gated_mlp) return weights.down(activate(inner, config_.activation));
  if (config_.fused_gate_up) {
    const auto halves = inner.chunk(2, 1);
    return weights.down(gated(halves[0], halves[1], config_.activation));
  }
  return weights.down(gated(inner, weights.up[1](x), config_.activation));
}

at::Tensor Decoder::step(std::span<const DecodeRow> rows) const {
  const c10::InferenceMode no_gradients;
  at::Tensor x =
      weights_.embedding.index_select(0, row_numbers(rows, [](const DecodeRow& row) { return row.token; }));
  if (config_.embedding_scale != 1) x = x * at::scalar_tensor(config_.embedding_scale, x.options());
  if (config_.learned_positions) {
    x = x + weights_.positions.index_select(
                0, row_numbers(rows, [](const DecodeRow& row) { return row.position; }));
  }
  Step step{rows, {}, 0};
  for (const DecodeRow& row : rows) step.keys_seen += row.position + 1;
  if (config_.rope.kind != RopeKind::kNone && config_.rope.dims > 0) {
    step.rope = rope_tables(config_, positions_of(rows), at::empty({0}, at::kFloat));
    step.rope.cos = step.rope.cos.to(at::kFloat).contiguous();
    step.rope.sin = step.rope.sin.to(at::kFloat).contiguous();
  }
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    const Layer& layer = weights_.layers[i];
    const at::Tensor normed = layer.input_norm.forward(x, config_);
    const at::Tensor mixed = attention(step, i, normed);
    if (config_.parallel_block) {
      const bool own_norm = layer.post_norm.weight.defined();
      x = x + mixed + mlp(i, own_norm ? layer.post_norm.forward(x, config_) : normed);
    } else {
      x = x + mixed;
      x = x + mlp(i, layer.post_norm.forward(x, config_));
    }
  }
  return weights_.final_norm.forward(x, config_);
}

std::vector<ReadPrompt> Decoder::read_prompts(const core::Forest& forest, const KvPool& pool) const {
  const c10::InferenceMode no_gradients;
  std::vector<KvSequence> caches;         // of the segments
  std::vector<DecodeRow> rows;
  std::vector<std::size_t> block_counts;  // how many of its segment's blocks a row sees
  for (const core::Segment& segment : forest.segments) {
    caches.push_back(segment.parent < 0 ? KvSequence(pool)
                                        : caches[static_cast<std::size_t>(segment.parent)].fork());
    for (std::int32_t t = segment.begin; t < segment.end; ++t) {
      const auto at = static_cast<std::size_t>(t);
      block_counts.push_back(caches.back().extend().size());
      rows.push_back({forest.tokens[at], forest.positions[at], segment.table, {}});
    }
    caches.back().seal();
  }
  for (std::size_t s = 0; s < caches.size(); ++s) {
    for (std::int32_t t = forest.segments[s].begin; t < forest.segments[s].end; ++t) {
      const auto at = static_cast<std::size_t>(t);
      rows[at].blocks = caches[s].blocks().first(block_counts[at]);
    }
  }

  std::vector<at::Tensor> hidden;
  for (std::size_t begin = 0; begin < rows.size(); begin += kRowsPerPass) {
    const std::size_t count = std::min(kRowsPerPass, rows.size() - begin);
    hidden.push_back(step(std::span(rows).subspan(begin, count)));
  }
  std::vector<ReadPrompt> prompts;
  for (const std::int32_t leaf : forest.leaf_of) {
    const auto s = static_cast<std::size_t>(leaf);
    const auto last = static_cast<std::size_t>(forest.segments[s].end) - 1;
    const at::Tensor state =
        hidden[last / kRowsPerPass].select(0, static_cast<std::int64_t>(last % kRowsPerPass));
    prompts.push_back({caches[s].fork(), state.clone()});
  }
  return prompts;
}

at::Tensor Decoder::logits(const at::Tensor& hidden) const {
  const c10::InferenceMode no_gradients;
  at::Tensor result = head_(hidden).to(at::kFloat);
  if (config_.logit_softcap > 0) result = at::tanh(result / config_.logit_softcap) * config_.logit_softcap;
  return result;
}

}  // namespace attune::model
