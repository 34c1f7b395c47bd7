// LIRE (Zhu et al. 2024, arXiv:2405.13516): the expected reward within the list,
//
//   L = −E Σ_j w_j r_j,   w = softmax(Σ_t log π(y_t) / T)
#include <ATen/ATen.h>

#include "algorithm/base/group/list_method.h"

namespace attune::algorithm {

namespace {

class Lire final : public ListMethod {
 public:
  MethodInfo info() const override {
    MethodInfo info;
    info.name = "lire";
    info.title = "Listwise Reward Enhancement";
    info.paper = "Zhu et al. 2024, arXiv:2405.13516";
    info.formula =
        "L = −mean over prompts of Σ_j w_j r_j,   w = softmax(s / T) over the list,   s = Σ_t log π";
    info.summary = "Shifts probability within a list of rated answers to those with more reward.";
    info.departures = "Rewards are taken as they are: they are not normalised within a list.";
    info.rows = {"L07"};
    return info;
  }

 protected:
  bool uses_reference() const override { return false; }
  bool uses_rewards() const override { return true; }
  void declare(core::Fields& fields) override {
    fields.add("temperature", temperature_, "T: larger shares the probability more evenly.").positive();
  }
  at::Tensor list_loss(const ListTerms& list, const Batch& /*batch*/) const override {
    return -((list.logps / temperature_).softmax(0) * list.merits).sum();
  }
  at::Tensor implicit_rewards(const ListTerms& list) const override { return list.logps; }

 private:
  double temperature_ = 1;
};

}  // namespace

std::unique_ptr<Method> method_lire() { return std::make_unique<Lire>(); }

}  // namespace attune::algorithm
