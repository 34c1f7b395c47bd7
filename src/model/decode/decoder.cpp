#include "model/decode/decoder.h"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <utility>

#include "core/error.h"
#include "model/decode/cached_attention.h"
#include "model/files/tensor_slots.h"

namespace attune::model {
namespace {

/// Prompt tokens computed at once: bounds the memory of activations.
constexpr std::size_t kRowsPerPass = 1024;

}  // namespace

Decoder::Decoder(const TransformerWeights& weights, const ModelConfig& config, Weights which, Tap* tap)
    : config_(config),
      shape_{config.layers, config.kv_heads, config.head_dim, config.value_width()},
      tap_(tap) {
  const c10::InferenceMode no_gradients;
  if (!weights.head.weight.defined())
    core::fail_request("this model has no language-model head (a reward model?): it cannot write text");
  weights_ = merged_weights(weights, which);
  for_each_linear(weights_, [&](const Linear& linear) { work_per_row_ += linear.weight.numel(); });
  work_per_row_ += weights_.head.weight.numel();
}

at::Tensor Decoder::step(std::span<const DecodeRow> rows, const GivenRows* given) const {
  const c10::InferenceMode no_gradients;
  std::vector<std::int32_t> ids;
  std::vector<std::uint64_t> content;
  std::vector<AttentionRow> looking;
  RowPlaces places;
  for (const DecodeRow& row : rows) {
    ids.push_back(row.token);
    if (given) content.push_back(row.content);
    looking.push_back({row.blocks, row.position});
    places.add(row.position, row.table);
  }
  const at::Tensor x = embed(weights_, config_, {ids, places.positions, content, given});
  CachedAttention attention(shape_, looking, rope_tables(config_, places, x));
  return through_layers(weights_, config_, x, attention, {}, tap_);
}

std::vector<ReadPrompt> Decoder::read_prompts(const StreamInput& input, const KvPool& pool) const {
  const core::Forest& forest = input.forest;
  const c10::InferenceMode no_gradients;
  std::vector<KvSequence> caches;  // of the segments
  std::vector<DecodeRow> rows;
  std::vector<std::size_t> block_counts;  // how many of its segment's blocks a row sees
  for (const core::Segment& segment : forest.segments) {
    caches.push_back(segment.parent < 0 ? KvSequence(pool)
                                        : caches[static_cast<std::size_t>(segment.parent)].fork());
    for (std::int32_t t = segment.begin; t < segment.end; ++t) {
      const auto at = static_cast<std::size_t>(t);
      block_counts.push_back(caches.back().extend().size());
      rows.push_back({forest.tokens[at],
                      forest.positions[at],
                      segment.table,
                      {},
                      forest.content.empty() ? 0 : forest.content[at]});
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
    hidden.push_back(step(std::span(rows).subspan(begin, count), input.given));
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
  at::Tensor result = weights_.head.forward(hidden, Weights::kPolicy).to(at::kFloat);
  if (config_.logit_softcap > 0) result = at::tanh(result / config_.logit_softcap) * config_.logit_softcap;
  return result;
}

}  // namespace attune::model
