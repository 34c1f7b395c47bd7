// Several reward models' opinions of one answer as one number (Coste et al. 2023, arXiv:2310.02743).
#pragma once

#include <span>
#include <string>
#include <vector>

#include "core/config/fields.h"

namespace attune::feedback {

/// (1/m) Σ (r − mean)², how far several models' rewards lie apart. @param rewards at least one
double population_variance(std::span<const double> rewards);

struct Combination {
  std::string name = "mean";  ///< mean, worst, uwo
  double lambda = 0.5;        ///< of uwo
  void declare(core::Fields& fields);

  /// mean: (1/m) Σ r;  worst: min r;  uwo: mean − λ · variance. @param rewards at least one
  double of(std::span<const double> rewards) const;
};

}  // namespace attune::feedback
