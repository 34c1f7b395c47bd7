// What supervised losses share: they read log π alone, and count tokens or sequences alike.
#pragma once

#include "algorithm/base/point/distribution_method.h"

namespace attune::algorithm {

/// The loss is Σ_candidates weight · Σ_t token_loss / (tokens of the step), or with `normalization: sequence`
/// Σ_candidates weight · mean_t token_loss / (candidates of the step).
class TokenLossMethod : public DistributionMethod {
 protected:
  void declare(core::Fields& fields) final;
  std::vector<Need> distribution_needs() const final {
    return {{"logps", Source::kPolicy, Positions::kTokens, true}};
  }
  at::Tensor reduced(const at::Tensor& token_losses, const Batch& batch) const final;

 private:
  std::string normalization_ = "token";
};

}  // namespace attune::algorithm
