// Rank Responses to align Human Feedback, RRHF (Yuan et al. 2023, arXiv:2304.05302, eq. 1 to 4):
//
//   L = E [rank_weight · Σ_{r_i<r_j} max(0, p_i − p_j) − sft_weight · Σ_t log π(y_best)],
//   p = Σ_t log π(y_t) / |y|^length_penalty
#include <ATen/ATen.h>

#include "algorithm/base/group/list_method.h"

namespace attune::algorithm {

namespace {

class Rrhf final : public ListMethod {
 public:
  MethodInfo info() const override {
    MethodInfo info;
    info.name = "rrhf";
    info.title = "Rank Responses to align Human Feedback";
    info.paper = "Yuan et al. 2023, arXiv:2304.05302, eq. 1 to 4";
    info.formula =
        "L = mean over prompts of rank_weight · Σ_{r_i<r_j} max(0, p_i − p_j) − sft_weight · Σ_t log "
        "π(y_best),   p = Σ_t log π / |y|^length_penalty";
    info.summary =
        "Puts the likelihoods of sampled answers into the order of their scores and imitates the best one.";
    info.departures =
        "Of tied candidates none is asked to come before the other. Of several best answers the first is "
        "imitated.";
    info.learning_rate = 2e-5;
    info.rows = {"L01"};
    return info;
  }

 protected:
  bool uses_reference() const override { return false; }
  void declare(core::Fields& fields) override {
    fields.add("rank_weight", rank_weight_, "Weight of the ranking; the paper's is 1, its code has 100.")
        .non_negative();
    fields.add("sft_weight", sft_weight_, "Weight of imitating the best answer.").non_negative();
    fields.add("length_penalty", length_penalty_, "Exponent of the length that divides log-probabilities.")
        .non_negative();
    fields.add("reduction", reduction_, "Over the prompts of a step: their mean, or their sum.")
        .one_of({"mean", "sum"});
  }
  at::Tensor list_loss(const ListTerms& list, const Batch& batch) const override {
    const at::Tensor p = scores(list);
    const at::Tensor excess = (p.unsqueeze(0) - p.unsqueeze(1)).relu();  // [better, worse]
    const at::Tensor ranking = (excess * list.outranks()).sum();
    const at::Tensor loss = rank_weight_ * ranking - sft_weight_ * list.logps[0];
    return reduction_ == "sum" ? loss * batch.totals.groups : loss;
  }
  at::Tensor implicit_rewards(const ListTerms& list) const override { return scores(list); }

 private:
  at::Tensor scores(const ListTerms& list) const {
    return list.logps / list.tokens.clamp_min(1).pow(length_penalty_);
  }

  double rank_weight_ = 1, sft_weight_ = 1, length_penalty_ = 1;
  std::string reduction_ = "mean";
};

}  // namespace

std::unique_ptr<Method> method_rrhf() { return std::make_unique<Rrhf>(); }

}  // namespace attune::algorithm
