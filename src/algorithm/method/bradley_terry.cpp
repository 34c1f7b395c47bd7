// The Bradley–Terry reward model (Bradley & Terry 1952; for language models Ouyang et al. 2022,
// arXiv:2203.02155, eq. 1). A head gives one score s per candidate at its last token:
//
//   L = −E log σ(s₊ − s₋ − m) + η E (s₊ + s₋)²
//
// m is the margin of the data (Llama 2, arXiv:2307.09288, eq. 2), η centres the scores (Eisenstein et al.
// 2023, arXiv:2312.09244, eq. 2).
#include <ATen/ATen.h>

#include "algorithm/base/pair/score_pair_method.h"

namespace attune::algorithm {

namespace {

class BradleyTerry final : public ScorePairMethod {
 public:
  MethodInfo info() const override {
    MethodInfo info;
    info.name = "bradley_terry";
    info.title = "Bradley–Terry reward model";
    info.paper = "Bradley & Terry 1952; Ouyang et al. 2022, arXiv:2203.02155, eq. 1";
    info.formula =
        "L = mean over pairs of −log σ(s₊ − s₋ − margin) + η (s₊ + s₋)²,   s = score head at the last token";
    info.summary = "Trains a score head so that chosen answers score above rejected ones.";
    info.learning_rate = 1e-4;
    info.trl_names = {{"reward", ""}};
    info.stands_in_for = {{{"orm", "rm"}, "a reward model, learnt from pairs"}};
    info.rows = {"R01", "S02", "S04", "S22"};
    return info;
  }
  core::Fields fields() override {
    core::Fields fields;
    fields
        .add("center_rewards_coefficient", center_,
             "η, which keeps the scores of a pair centred around 0 (0.01 is usual); 0 or null: off.")
        .non_negative()
        .optional();
    return fields;
  }

 protected:
  at::Tensor pair_loss(const ScorePairs& pairs, const Batch& /*batch*/) const override {
    if (center_ == 0) return pairs.bradley_terry();
    return pairs.bradley_terry() + center_ * (pairs.chosen + pairs.rejected).square();
  }

 private:
  double center_ = 0;
};

}  // namespace

std::unique_ptr<Method> method_bradley_terry() { return std::make_unique<BradleyTerry>(); }

}  // namespace attune::algorithm
