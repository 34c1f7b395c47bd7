// Exact attention over a packed forest: the pieces of a plan, merged by their log-sum-exp, with the matching
// backward.
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <memory>

#include "model/block/attention/attention.h"
#include "model/block/attention/attention_plan.h"

namespace attune::model {

/// Attention of every token to its ancestors and the earlier tokens of its segment. The plan holds the
/// window; that of the rule is not read.
/// @param query [T, H, d]. @param key [T, K, d], value [T, K, dv], H a multiple of K, rotated already.
/// @returns [T, H * dv], on the autograd tape. Memory is linear in T.
at::Tensor attend_forest(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                         std::shared_ptr<const AttentionPlan> plan, const ScoreRule& rule);

/// The attention of a training pass.
class ForestAttention final : public Attention {
 public:
  /// @param like device and type of the model. @param forest must outlive it
  ForestAttention(const ModelConfig& config, const core::Forest& forest, const at::Tensor& like);
  at::Tensor attend(std::size_t layer, const ScoreRule& rule, const at::Tensor& query, const at::Tensor& key,
                    const at::Tensor& value) override;

 private:
  const core::Forest& forest_;
  std::map<std::int64_t, std::shared_ptr<const AttentionPlan>> plans_;  ///< by window
};

}  // namespace attune::model
