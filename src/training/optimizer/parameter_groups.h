// Weights with a learning rate or a decay of their own, and weights that are not trained:
//
//   training:
//     parameter_groups:
//       - {match: lora_B, learning_rate: 1.6e-3}             # LoRA+ (Hayou et al. 2024, arXiv:2402.12354)
//       - {match: [embed_tokens, lm_head], learning_rate: 0} # frozen
//       - {match: 'layers\.\d+\.mlp', weight_decay: 0.1}
#pragma once

#include <string>
#include <vector>

#include "core/config/value.h"
#include "model/model.h"
#include "training/optimizer/optimizer.h"

namespace attune::training {

/// One entry of training.parameter_groups.
struct ParameterRule {
  std::vector<std::string> match;  ///< regular expressions, found anywhere in a weight's name
  double learning_rate = kUnset;   ///< peak; follows the schedule; 0 freezes
  double weight_decay = kUnset;    ///< norms and biases that match decay as well
  void declare(core::Fields& fields);
  static constexpr double kUnset = -1;
};

/// Reads the setting: a list of entries, or one. @throws Error{kRequest}: an unknown key, an entry without
/// `match` or without effect, a malformed expression
std::vector<ParameterRule> parameter_rules(const core::Value& setting);

/// @throws Error{kRequest} when a rule is found in none of these weights; names them
void require_matches(const std::vector<ParameterRule>& rules, const std::vector<std::string>& names);

/// What the optimiser is told about each trainable weight of the model: the first rule that matches wins, the
/// rest is as `weight_decay` and the peak rate say (norms and biases are never decayed). Frozen weights no
/// longer ask for gradients.
/// @param peak the run's learning rate
/// @throws Error{kRequest} when nothing is left to train
std::vector<OptimizedParameter> optimized_parameters(std::vector<model::Parameter> parameters,
                                                     const std::vector<ParameterRule>& rules,
                                                     double weight_decay, double peak);

}  // namespace attune::training
