// Value learning from reference answers (Wang et al. 2024, arXiv:2403.04204, eq. 4): the answer that is right is to score above
// others by a margin,
//
//   L = E max(0, α + s₋ − s₊)
#include <ATen/ATen.h>

#include "algorithm/base/pair/score_pair_method.h"

namespace attune::algorithm {

namespace {

class ReferenceHinge final : public ScorePairMethod {
 public:
  MethodInfo info() const override {
    MethodInfo info;
    info.name = "reference_hinge";
    info.title = "Reference hinge";
    info.paper = "Wang et al. 2024, arXiv:2403.04204, eq. 4";
    info.formula = "L = mean over pairs of max(0, α + s₋ − s₊),   s = score head at the last token";
    info.summary = "Trains a score head to put reference answers above others by a margin, and no further.";
    info.learning_rate = 1e-4;
    info.rows = {"U02"};
    return info;
  }
  core::Fields fields() override {
    core::Fields fields;
    fields.add("alpha", alpha_, "α, the margin.").non_negative();
    return fields;
  }

 protected:
  at::Tensor pair_loss(const ScorePairs& pairs, const Batch& /*batch*/) const override {
    return (alpha_ - pairs.gap()).relu();
  }

 private:
  double alpha_ = 1;
};

}  // namespace

std::unique_ptr<Method> method_reference_hinge() { return std::make_unique<ReferenceHinge>(); }

}  // namespace attune::algorithm
