// Alignment fine-tuning (Wang et al. 2023, arXiv:2309.02144, section 4): good answers are imitated and are to be likelier than
// bad ones, which a constraint keeps from being pushed down without end,
//
//   L = E [log(1 + Σ_p Σ_n e^(s̄_n − s̄_p) + boundary) − sft_weight · mean_p s̄_p],   s̄ = mean_t log π(y_t)
//   boundary:  Σ_p Σ_n e^(T − s̄_n),  T = min_p s̄_p − 2b, no gradient: the pull ends b below the least likely good answer
//   detached:  s̄_n is a constant
#include <ATen/ATen.h>

#include <string>
#include <vector>

#include "algorithm/base/group/list_method.h"

namespace attune::algorithm {

namespace {

class Aft final : public ListMethod {
 public:
  MethodInfo info() const override {
    MethodInfo info;
    info.name = "aft";
    info.title = "Alignment Fine-Tuning";
    info.paper = "Wang et al. 2023, arXiv:2309.02144, section 4";
    info.formula =
        "L = mean over prompts of log(1 + Σ_{p good} Σ_{n bad} [e^(s̄_n − s̄_p) + e^(T − s̄_n)]) − sft_weight · mean_p s̄_p,   T = min_p s̄_p − 2b, no gradient,   s̄ = mean_t log π";
    info.summary =
        "Imitates good answers and puts them above bad ones, but pushes a bad one no further than a boundary.";
    info.departures =
        "Good are the best of a list, bad all others; the boundary is one of the least likely good answer of the prompt.";
    info.learning_rate = 2e-5;
    info.rows = {"L05"};
    info.stopped = {"logps"};
    return info;
  }

 protected:
  bool uses_reference() const override { return false; }
  void declare(core::Fields& fields) override {
    fields.add("constraint", constraint_, "What keeps bad answers from losing all likelihood.")
        .one_of({"boundary", "detached", "none"});
    fields
        .add("boundary", boundary_, "b, how far below the good ones bad answers are pushed, in nats a token.")
        .non_negative();
    fields.add("sft_weight", sft_weight_, "Weight of imitating the good answers.").non_negative();
  }
  at::Tensor list_loss(const ListTerms& list, const Batch& /*batch*/) const override {
    const at::Tensor s = list.mean_logps();
    const at::Tensor good = list.merits == list.merits.max();
    const at::Tensor p = s.masked_select(good), n = s.masked_select(good.logical_not());
    const at::Tensor lowered = constraint_ == "detached" ? n.detach() : n;
    std::vector<at::Tensor> exponents = {at::zeros({1}, at::kDouble),
                                         (lowered.unsqueeze(0) - p.unsqueeze(1)).flatten()};
    if (constraint_ == "boundary") {
      const at::Tensor below = p.detach().min() - 2 * boundary_ - n;
      exponents.push_back(below.unsqueeze(0).expand({p.size(0), n.size(0)}).flatten());
    }
    return at::logsumexp(at::cat(exponents), {0}) - sft_weight_ * p.mean();
  }

 private:
  std::string constraint_ = "boundary";
  double boundary_ = 0.15, sft_weight_ = 1;
};

}  // namespace

std::unique_ptr<Method> method_aft() { return std::make_unique<Aft>(); }

}  // namespace attune::algorithm
