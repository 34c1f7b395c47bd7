// The Bradley–Terry reward model (Bradley & Terry 1952; for language models Ouyang et al. 2022,
// arXiv:2203.02155, eq. 1). A head gives one score s per candidate at its last token:
//
//   L = −E log σ(s₊ − s₋ − m) + η E (s₊ + s₋)²
//
// m is the margin of the data (Llama 2, arXiv:2307.09288, eq. 2), η centres the scores (Eisenstein et al.
// 2023, arXiv:2312.09244, eq. 2).
#include <ATen/ATen.h>

#include "algorithm/base/pair/pair_method.h"
#include "algorithm/part/segments.h"
#include "algorithm/part/token_metrics.h"

namespace attune::algorithm {

namespace {

class BradleyTerry final : public Method {
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
  std::vector<Need> needs() const override { return {{"score", Source::kPolicy, Positions::kLast, true}}; }
  Scope scope() const override { return Scope::kGroup; }
  GroupShape shape() const override { return GroupShape::kPairs; }

  Loss loss(const Batch& batch, const State& /*state*/) const override {
    const PairIndex pairs = pairs_of(batch);
    const at::Tensor& scores = batch.signal("score");
    const at::Tensor chosen = scores.index_select(0, pairs.chosen),
                     rejected = scores.index_select(0, pairs.rejected);
    at::Tensor per_pair = soft_pair_loss(pairs, [&](const PairIndex& ordered) {
      return -at::log_sigmoid(scores.index_select(0, ordered.chosen) -
                              scores.index_select(0, ordered.rejected) - ordered.margin);
    });
    if (center_ > 0) per_pair = per_pair + center_ * (chosen + rejected).square();
    per_pair = per_pair * pairs.weights(batch) * pairs.share;
    Loss result;
    result.value = per_pair.sum() / batch.totals.groups;
    result.metrics["min_reward"] = Metric::min(scores.min().item<double>());
    result.metrics["mean_reward"] = mean_metric(scores);
    result.metrics["max_reward"] = Metric::max(scores.max().item<double>());
    result.metrics["accuracy"] = mean_metric((chosen > rejected).to(at::kDouble));
    result.metrics["margin"] = mean_metric(chosen - rejected);
    return result;
  }

 private:
  double center_ = 0;
};

}  // namespace

std::unique_ptr<Method> method_bradley_terry() { return std::make_unique<BradleyTerry>(); }

}  // namespace attune::algorithm
