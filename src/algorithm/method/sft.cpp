// Supervised fine-tuning: maximum likelihood of the completion tokens.
//
//   L = −Σ_i w_i Σ_t log π(y_t | x, y_<t) / N      N: trained tokens of the step
//
// With `normalization: sequence`: −mean_i w_i mean_t log π.
#include <ATen/ATen.h>

#include "algorithm/base/point/token_loss_method.h"

namespace attune::algorithm {

namespace {

class Sft final : public TokenLossMethod {
 public:
  MethodInfo info() const override {
    MethodInfo info;
    info.name = "sft";
    info.title = "Supervised Fine-Tuning";
    info.paper = "maximum likelihood; for instructions: Ouyang et al. 2022, arXiv:2203.02155, section 3.1";
    info.formula =
        "L = −Σ_i w_i Σ_t log π(y_t | x, y_<t) / N,   N = trained tokens of the step\n"
        "with normalization: sequence:  L = −mean over completions of w_i · mean_t log π";
    info.summary = "Makes the completions of the data more likely.";
    info.learning_rate = 2e-5;
    info.trl_names = {{"sft", "nll"}, {"sft", "chunked_nll"}, {"dpo", "sft"}};
    info.stands_in_for = {{{"gkd", "minillm", "distillation"}, "on what the teacher wrote"},
                          {{"raft"}, "on the best of what generate and score made"}};
    info.rows = {"T01"};
    return info;
  }

 protected:
  at::Tensor token_loss(const Batch& batch) const override { return -batch.signal("logps"); }
};

}  // namespace

std::unique_ptr<Method> method_sft() { return std::make_unique<Sft>(); }

}  // namespace attune::algorithm
