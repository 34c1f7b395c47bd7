// Stable alignment (Liu et al. 2023, arXiv:2305.16960): the best answer is imitated, and worse ones have to be less likely by a
// margin that grows with how much worse they were rated,
//
//   L = E [N_best + ratio · max(0, mean_j (N_best − N_j + m_j))],   N = −mean_t log π(y_t),   m_j = (r_best − r_j)/scale · margin
#include <ATen/ATen.h>

#include <string>

#include "algorithm/base/group/list_method.h"

namespace attune::algorithm {

namespace {

class StableAlignment final : public ListMethod {
 public:
  MethodInfo info() const override {
    MethodInfo info;
    info.name = "stable_alignment";
    info.title = "Stable Alignment";
    info.paper = "Liu et al. 2023, arXiv:2305.16960";
    info.formula =
        "L = mean over prompts of N_best + ratio · max(0, mean_j (N_best − N_j + m_j)),   N = −mean_t log π,   m_j = (r_best − r_j)/scale · margin";
    info.summary =
        "Imitates the best of several rated answers and keeps the others less likely, by more where they are worse.";
    info.departures = "Which rated answers are sampled in a society of models is a matter of the data.";
    info.learning_rate = 2e-5;
    info.rows = {"T25"};
    return info;
  }

  record::FeedbackNeeds feedback_needs() const override {
    return {{}, record::Contrast::kRewards};  // an answer alone is imitated
  }

 protected:
  bool uses_reference() const override { return false; }
  bool uses_rewards() const override { return true; }
  void declare(core::Fields& fields) override {
    fields.add("ratio", ratio_, "Weight of the contrast to worse answers.").non_negative();
    fields.add("margin", margin_, "Margin of an answer that is worse by the whole scale.").non_negative();
    fields.add("scale", scale_, "Range of the ratings.").positive();
    fields.add("reduction", reduction_, "Over the worse answers: the mean, or the largest.")
        .one_of({"mean", "max"});
  }
  at::Tensor list_loss(const ListTerms& list, const Batch& /*batch*/) const override {
    const at::Tensor nll = -list.mean_logps();
    if (list.size() < 2) return nll[0];
    const at::Tensor margins = (list.merits[0] - list.merits) / scale_ * margin_;
    const at::Tensor excess = (nll[0] - nll + margins).slice(0, 1);
    return nll[0] + ratio_ * (reduction_ == "max" ? excess.max() : excess.mean()).relu();
  }

 private:
  double ratio_ = 0.2, margin_ = 10, scale_ = 7;
  std::string reduction_ = "mean";
};

}  // namespace

std::unique_ptr<Method> method_stable_alignment() { return std::make_unique<StableAlignment>(); }

}  // namespace attune::algorithm
