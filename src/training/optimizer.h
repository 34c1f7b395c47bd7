// AdamW with decoupled weight decay (Loshchilov & Hutter 2019, arXiv:1711.05101) and gradient clipping, with
// torch's arithmetic: the same numbers as torch.optim.AdamW(fused=True) and clip_grad_norm_.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "model/model.h"

namespace attune::training {

struct OptimizerOptions {
  double weight_decay = 0, adam_beta1 = 0.9, adam_beta2 = 0.999, adam_epsilon = 1e-8, max_grad_norm = 1;
};

class AdamW {
 public:
  /// Parameters with decay=false (norms, biases) are never decayed.
  AdamW(std::vector<model::Parameter> parameters, OptimizerOptions options);

  /// Euclidean norm of all gradients, before clipping. NaN or infinity if any gradient is.
  double grad_norm() const;
  /// Clips to max_grad_norm (0: never), applies one update at this learning rate, and drops the gradients.
  void step(double learning_rate, double grad_norm);
  void drop_gradients();

  /// @throws Error{kRun} when a trained weight is not finite: such weights are neither saved nor published.
  void require_finite(std::int64_t update) const;

  /// What a checkpoint keeps: moments by parameter name ("<name>.exp_avg", "<name>.exp_avg_sq") and the
  /// weights
  /// ("parameter.<name>"), exact whatever precision the model's own files have.
  std::map<std::string, at::Tensor> tensors() const;
  /// Puts moments and weights back. @throws Error{kRequest} if one is missing or has another shape.
  void restore(const std::map<std::string, at::Tensor>& tensors, std::int64_t steps,
               const std::string& where);
  const std::vector<model::Parameter>& parameters() const { return parameters_; }
  std::int64_t steps() const { return steps_; }

 private:
  void update(const std::vector<std::size_t>& indices, double learning_rate, double decay, double clip);
  /// Gives the model's half-precision parameters the present weights.
  void publish();

  std::vector<model::Parameter> parameters_;
  OptimizerOptions options_;
  /// Trained weights, in float32 where the model computes in half precision: an update is often too small for
  /// a bfloat16 weight to change, and the sum of many is not. Otherwise the parameters themselves.
  std::vector<at::Tensor> weights_;
  std::vector<at::Tensor> exp_avg_, exp_avg_sq_;
  std::int64_t steps_ = 0;
};

}  // namespace attune::training
