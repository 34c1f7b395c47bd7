// Context distillation (Askell et al. 2021, arXiv:2112.00861, section 2.3): the model without a context becomes like the model
// with it (`teacher.system`), or like another model (`teacher.path`), over the whole vocabulary,
//
//   L = (1/N) Σ_i Σ_t KL(π_T(· | context, x, y_<t) ‖ π(· | x, y_<t)),   N: tokens of the step
#include <ATen/ATen.h>

#include "algorithm/base/point/distribution_method.h"

namespace attune::algorithm {

namespace {

class ContextDistillation final : public DistributionMethod {
 public:
  MethodInfo info() const override {
    MethodInfo info;
    info.name = "context_distillation";
    info.title = "Context distillation";
    info.paper = "Askell et al. 2021, arXiv:2112.00861, section 2.3";
    info.formula =
        "L = (1/N) Σ_i Σ_t KL(π_T ‖ π),   N = tokens of the step,   π_T: the teacher, which may be told more";
    info.summary =
        "Writes a prompt into the weights, or one model into another: all next-token probabilities follow the teacher.";
    info.learning_rate = 1e-5;
    info.rows = {"S22"};
    return info;
  }

 protected:
  std::vector<Need> distribution_needs() const override {
    return {{.signal = "reference_kl", .gradient = true, .against = Source::kTeacher}};
  }
  at::Tensor token_loss(const Batch& batch) const override { return batch.signal("reference_kl_to_teacher"); }
};

}  // namespace

std::unique_ptr<Method> method_context_distillation() { return std::make_unique<ContextDistillation>(); }

}  // namespace attune::algorithm
