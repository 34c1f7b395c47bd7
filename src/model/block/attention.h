// Exact attention over a packed forest: the pieces of a plan, merged by their log-sum-exp, with the matching
// backward.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>

#include "model/block/attention_plan.h"

namespace attune::model {

/// Attention of every token to its ancestors and the earlier tokens of its segment.
/// @param query [T, H, d]. @param key, value [T, K, d], H a multiple of K. Rotation is applied already.
/// @param scale of the scores. @returns [T, H * d], on the autograd tape. Memory is linear in T.
at::Tensor attend(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                  std::shared_ptr<const AttentionPlan> plan, double scale);

}  // namespace attune::model
