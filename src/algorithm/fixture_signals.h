// The float64 reference of the signals that a fixture's logits define. The engine computes the same from
// hidden states, in chunks; here the whole [T, V] is at hand and autograd does the rest.
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <string>

namespace attune::algorithm {

/// Signals of logits [T, V] at token ids [T]:
/// "logps" log p(id); "entropy" −Σ p log p; "argmax_hit" 1 where id is the most likely token; "mean_logit";
/// "wpo_weight" log p(id) − log Σ p² (no gradient); "reference_kl" Σ p_ref (log p_ref − log p) when
/// `reference_logits` are defined.
std::map<std::string, at::Tensor> signals_of_logits(const at::Tensor& logits, const at::Tensor& ids,
                                                    const at::Tensor& reference_logits);

}  // namespace attune::algorithm
