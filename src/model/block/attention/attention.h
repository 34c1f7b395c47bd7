// What a layer asks of attention, whoever answers: the packed forest in training, the cache in decoding.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "model/block/rotary/rope.h"
#include "model/config.h"

namespace attune::model {

/// From a query and a key to their score: cap(scale * <q, k>) - slope * (i - j), of the keys j that query i
/// sees.
struct ScoreRule {
  double scale = 1;
  double softcap = 0;       ///< cap(s) = softcap * tanh(s / softcap); 0: none
  std::int64_t window = 0;  ///< i - j < window; 0: no limit
  std::span<const double>
      slopes{};  ///< [H], one per query head; empty: none (Press et al., arXiv:2108.12409)
};

/// The rule of one layer.
ScoreRule score_rule(const ModelConfig& config, std::size_t layer);

/// Where the rows of a pass stand and what they see.
class Attention {
 public:
  virtual ~Attention() = default;
  /// Tables of the rows' positions for a layer, null where nothing rotates.
  const RopeTables* rope(const ModelConfig& config, std::size_t layer) const {
    const std::int32_t index = config.rope_index(layer);
    return index < 0 ? nullptr : &ropes_[static_cast<std::size_t>(index)];
  }
  /// Each row's mixture of the values that it sees.
  /// @param query [R, H, d]. @param key [R, K, d], value [R, K, dv], H a multiple of K: those of the rows
  /// themselves, rotated. @returns [R, H * dv] in the type of the queries
  virtual at::Tensor attend(std::size_t layer, const ScoreRule& rule, const at::Tensor& query,
                            const at::Tensor& key, const at::Tensor& value) = 0;

 protected:
  /// @param ropes a table for each of ModelConfig::ropes
  explicit Attention(std::vector<RopeTables> ropes) : ropes_(std::move(ropes)) {}

 private:
  std::vector<RopeTables> ropes_;
};

}  // namespace attune::model
