// Value learning from reference answers (Wang et al. 2024, arXiv:2403.04204, eq. 4): the answer that is right is to score above
// others by a margin,
//
//   L = E max(0, α + s₋ − s₊)
#include <ATen/ATen.h>

#include "algorithm/base/pair/pair_method.h"
#include "algorithm/part/token_metrics.h"

namespace attune::algorithm {

namespace {

class ReferenceHinge final : public Method {
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
  std::vector<Need> needs() const override { return {{"score", Source::kPolicy, Positions::kLast, true}}; }
  Scope scope() const override { return Scope::kGroup; }
  GroupShape shape() const override { return GroupShape::kPairs; }
  Loss loss(const Batch& batch, const State& /*state*/) const override {
    const PairIndex pairs = pairs_of(batch);
    const at::Tensor& scores = batch.signal("score");
    const at::Tensor per_pair = soft_pair_loss(pairs, [&](const PairIndex& ordered) {
      return (alpha_ + scores.index_select(0, ordered.rejected) - scores.index_select(0, ordered.chosen))
          .relu();
    });
    const at::Tensor gap = scores.index_select(0, pairs.chosen) - scores.index_select(0, pairs.rejected);
    Loss result;
    result.value = (per_pair * pairs.weights(batch) * pairs.share).sum() / batch.totals.groups;
    result.metrics["accuracy"] = mean_metric((gap > 0).to(at::kDouble));
    result.metrics["margin"] = mean_metric(gap);
    return result;
  }

 private:
  double alpha_ = 1;
};

}  // namespace

std::unique_ptr<Method> method_reference_hinge() { return std::make_unique<ReferenceHinge>(); }

}  // namespace attune::algorithm
