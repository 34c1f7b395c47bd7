// How large gradients are: of everything, for clipping, and layer by layer, to see where a run goes wrong.
#pragma once

#include <span>
#include <string>
#include <utility>
#include <vector>

#include "model/model.h"

namespace attune::training {

struct GradientNorms {
  double total = 0;  ///< Euclidean norm of all gradients, before clipping; NaN or infinity if any gradient is
  /// The same of each layer, in the order of the file: {"embed_tokens", …}, {"layers.0", …}, …, {"lm_head",
  /// …}. Sums of squares are taken in float32 (float64 for float64 models) whatever precision the gradients
  /// have, so half-precision gradients neither overflow nor vanish.
  std::vector<std::pair<std::string, double>> by_layer;
};

/// Parameters without a gradient are left out.
GradientNorms gradient_norms(std::span<const model::Parameter> parameters);

/// The layer that a weight belongs to: "model.layers.3.self_attn.q_proj.weight" → "layers.3",
/// "transformer.wte.weight" → "wte", "lm_head.weight" → "lm_head".
std::string layer_of(const std::string& parameter);

}  // namespace attune::training
