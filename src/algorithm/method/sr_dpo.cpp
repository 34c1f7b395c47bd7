// Self-refined DPO (Yu et al. 2024, arXiv:2405.21040): the margin that a pair has to reach is how much better the model itself
// finds the chosen answer when it is asked to judge (p: `teacher.system`, put before the prompt):
//
//   L = −E log σ(β [Δ₊ − Δ₋] − λ [log π_T(y₊ | p, x) − log π_T(y₋ | p, x)])
#include <ATen/ATen.h>

#include "algorithm/base/pair/pair_method.h"
#include "algorithm/part/segments.h"

namespace attune::algorithm {

namespace {

class SrDpo final : public PairMethod {
 public:
  MethodInfo info() const override {
    MethodInfo info;
    info.name = "sr_dpo";
    info.title = "Self-refined DPO";
    info.paper = "Yu et al. 2024, arXiv:2405.21040";
    info.formula =
        "L = −mean over pairs of log σ(β [Δ₊ − Δ₋] − λ [log π_T(y₊) − log π_T(y₋)]),   Δ = Σ_t log π/π_ref,   π_T: teacher, told what is good";
    info.summary = "DPO that asks for a larger gap where the model, told what to look for, sees one.";
    info.departures =
        "The judging model is the teacher, which does not move; the paper asks the policy as it is trained.";
    info.rows = {"P23"};
    return info;
  }
  std::vector<Need> needs() const override {
    std::vector<Need> needs = PairMethod::needs();
    needs.push_back({"logps", Source::kTeacher});
    return needs;
  }

 protected:
  void declare(core::Fields& fields) override {
    fields.add("lambda", lambda_, "λ, weight of the judged difference; 0 is DPO.").non_negative();
  }
  at::Tensor pair_loss(const PairTerms& pairs, const Batch& batch) const override {
    const at::Tensor judged = segment_sum(batch.signal("teacher_logps").detach(), batch.offsets);
    const at::Tensor gap =
        judged.index_select(0, pairs.index.chosen) - judged.index_select(0, pairs.index.rejected);
    return -at::log_sigmoid(beta_ * pairs.delta() - lambda_ * gap);
  }

 private:
  double lambda_ = 0.1;
};

}  // namespace

std::unique_ptr<Method> method_sr_dpo() { return std::make_unique<SrDpo>(); }

}  // namespace attune::algorithm
