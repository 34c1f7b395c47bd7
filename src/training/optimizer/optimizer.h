// AdamW with decoupled weight decay (Loshchilov & Hutter 2019, arXiv:1711.05101) and gradient clipping, with
// torch's arithmetic: the same numbers as torch.optim.AdamW(fused=True) and clip_grad_norm_.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "model/model.h"
#include "training/tensor_file.h"

namespace attune::training {

struct OptimizerOptions {
  double adam_beta1 = 0.9, adam_beta2 = 0.999, adam_epsilon = 1e-8, max_grad_norm = 1;
};

/// A trained weight with what is its own.
struct OptimizedParameter {
  model::Parameter parameter;
  double rate_scale = 1;  ///< its learning rate as a share of the run's
  double weight_decay = 0;
};

/// In what precision moments, averages and norms of a weight are kept.
at::ScalarType optimizer_type(const at::Tensor& parameter);

class AdamW {
 public:
  AdamW(const std::vector<OptimizedParameter>& parameters, OptimizerOptions options);

  /// Clips to max_grad_norm (0: never), applies one update at this learning rate, and drops the gradients.
  /// @param grad_norm of all gradients, from gradient_norms()
  void step(double learning_rate, double grad_norm);
  void drop_gradients();

  /// @throws Error{kRun} when a trained weight is not finite: such weights are neither saved nor published.
  void require_finite(std::int64_t update) const;

  /// What a checkpoint keeps: moments by parameter name ("<name>.exp_avg", "<name>.exp_avg_sq") and the
  /// weights ("parameter.<name>"), exact whatever precision the model's own files have.
  NamedTensors tensors() const;
  /// Puts moments and weights back. @throws Error{kRequest} if one is missing or has another shape.
  void restore(const NamedTensors& tensors, std::int64_t steps, const std::string& where);
  const std::vector<model::Parameter>& parameters() const { return parameters_; }
  std::int64_t steps() const { return steps_; }

  /// Calls visit(name, weight) for every trained weight, in the optimiser's precision. Who changes weights
  /// calls publish() afterwards.
  void for_each_weight(const std::function<void(const std::string& name, at::Tensor& weight)>& visit);
  /// Gives the model's half-precision parameters the present weights.
  void publish();

 private:
  /// Weights with one learning rate and one decay.
  struct Group {
    double rate_scale, weight_decay;
    std::vector<std::size_t> members;
  };
  void update(const Group& group, double learning_rate, double clip);

  std::vector<model::Parameter> parameters_;
  std::vector<Group> groups_;
  OptimizerOptions options_;
  /// Trained weights, in float32 where the model computes in half precision: an update is often too small for
  /// a bfloat16 weight to change, and the sum of many is not. Otherwise the parameters themselves.
  std::vector<at::Tensor> weights_;
  std::vector<at::Tensor> exp_avg_, exp_avg_sq_;
  std::int64_t steps_ = 0;
};

}  // namespace attune::training
