// From token ids, or vectors given in their place, to what the first layer reads.
#include <ATen/ATen.h>

#include <algorithm>
#include <span>
#include <unordered_map>
#include <vector>

#include "core/error.h"
#include "core/files/files.h"
#include "model/transformer.h"

namespace attune::model {
namespace {

at::Tensor index_tensor(std::span<const std::int32_t> values, const at::Tensor& like) {
  return at::from_blob(const_cast<std::int32_t*>(values.data()), {static_cast<std::int64_t>(values.size())},
                       at::kInt)
      .to(like.device(), at::kLong);
}

bool is_given(const TokenRows& rows, std::size_t row) {
  return !rows.content.empty() && rows.content[row] != 0;
}

void check_ids(const TokenRows& rows, const ModelConfig& config) {
  for (std::size_t i = 0; i < rows.ids.size(); ++i)
    if ((rows.ids[i] < 0 || rows.ids[i] >= config.vocab_size) && !is_given(rows, i))
      core::fail_request(
          "token id {} is outside the model's vocabulary of {}: data and model use different tokenizers",
          rows.ids[i], config.vocab_size);
}

void check_given(const GivenRows& given, std::int64_t width) {
  const auto& vectors = given.vectors;
  if (!vectors.defined() || vectors.dim() != 2 || vectors.size(1) != width ||
      vectors.size(0) != std::ssize(given.keys))
    core::fail_request("tokens come as vectors: each of the {} content keys needs a row of {} numbers",
                       given.keys.size(), width);
}

/// Puts the given vectors in their rows.
at::Tensor with_given(const at::Tensor& x, const TokenRows& rows) {
  if (rows.given == nullptr) core::fail_request("tokens come as vectors, and none are given");
  check_given(*rows.given, x.size(1));
  std::unordered_map<std::uint64_t, std::int32_t> place;
  for (std::size_t i = 0; i < rows.given->keys.size(); ++i)
    place.emplace(rows.given->keys[i], static_cast<std::int32_t>(i));
  std::vector<std::int32_t> to, from;
  for (std::size_t i = 0; i < rows.content.size(); ++i) {
    if (rows.content[i] == 0) continue;
    const auto found = place.find(rows.content[i]);
    if (found == place.end())
      core::fail_request("a token has the content key {}, which no vector is given for", rows.content[i]);
    to.push_back(static_cast<std::int32_t>(i));
    from.push_back(found->second);
  }
  const at::Tensor vectors = rows.given->vectors.to(x.options()).index_select(0, index_tensor(from, x));
  return x.index_copy(0, index_tensor(to, x), vectors);
}

}  // namespace

std::vector<std::uint64_t> content_keys(const at::Tensor& rows) {
  const at::Tensor values = rows.detach().to(at::kCPU).contiguous();
  const auto bytes = static_cast<std::size_t>(values.size(1) * values.element_size());
  const auto* data = static_cast<const char*>(values.const_data_ptr());
  std::vector<std::uint64_t> keys;
  for (std::int64_t i = 0; i < values.size(0); ++i)
    keys.push_back(
        std::max<std::uint64_t>(1, core::fingerprint({data + static_cast<std::size_t>(i) * bytes, bytes})));
  return keys;
}

at::Tensor embed(const TransformerWeights& weights, const ModelConfig& config, const TokenRows& rows,
                 Weights which) {
  check_ids(rows, config);
  const bool any_given =
      std::any_of(rows.content.begin(), rows.content.end(), [](std::uint64_t key) { return key != 0; });
  at::Tensor ids = index_tensor(rows.ids, weights.embedding);
  if (any_given) ids = ids.clamp(0, config.vocab_size - 1);  // what stands in their place is no id
  const at::Tensor table = which == Weights::kReference && weights.lookup.unmerged
                               ? weights.lookup.unmerged->weight.t()
                               : weights.embedding;
  at::Tensor x = at::embedding(table, ids);
  if (const LayerAdapter* adapter = weights.lookup.acting_adapter(which))
    x = x + adapter->kind->looked_up(*adapter, ids).to(x.scalar_type());
  if (config.embedding_scale != 1)
    x = x *
        at::scalar_tensor(config.embedding_scale, x.options());  // rounded to the model's type, as Gemma does
  if (any_given) x = with_given(x, rows);
  if (config.learned_positions) x = x + at::embedding(weights.positions, index_tensor(rows.positions, x));
  return x;
}

}  // namespace attune::model
