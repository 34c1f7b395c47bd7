// Group-robust preference optimisation (Ramesh et al. 2024, arXiv:2405.20304, algorithm 1): DPO for the worst-off of
// several groups of people or tasks, which a candidate's `source` names,
//
//   min_θ max_α Σ_g α_g L_g(θ),   L_g: mean of DPO's loss over the pairs of g
//
// After each step α_g ← α_g e^(η L_g), made to sum to 1. A single group is DPO.
#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <string>

#include "algorithm/base/pair/pair_method.h"
#include "algorithm/part/segments.h"

namespace attune::algorithm {

namespace {

class GroupDpo final : public PairMethod {
 public:
  MethodInfo info() const override {
    MethodInfo info;
    info.name = "group_dpo";
    info.title = "Group-robust DPO";
    info.paper = "Ramesh et al. 2024, arXiv:2405.20304, algorithm 1";
    info.formula =
        "L = Σ_g α_g · mean over pairs of g of −log σ(β [Δ₊ − Δ₋]),   α_g ∝ α_g e^(η L_g) before each step,   Δ = Σ_t log π/π_ref";
    info.summary = "DPO that gives more weight to the group whose preferences it serves worst.";
    info.departures =
        "A group is what preferred answers have for `source`. Groups that a step does not hold keep their weight among themselves for a later one; the paper draws one group a step.";
    info.metrics = {{"worst_group_loss", "Loss of the worst group",
                     "The largest mean loss of a group at this step: what the weights of groups bring down.",
                     "", record::Better::kLower}};
    info.rows = {"P15"};
    return info;
  }
  std::vector<Need> needs() const override {
    std::vector<Need> needs = PairMethod::needs();
    needs.push_back({.signal = "logps", .source = Source::kOld, .for_prepare = true});
    return needs;
  }
  record::FeedbackNeeds feedback_needs() const override { return {{}, record::Contrast::kSources}; }
  void prepare(Batch& step, State& state, Metrics& metrics) const override {
    std::map<std::string, Sum> losses;
    const at::Tensor ratio = segment_sum(step.signal("old_logps") - step.signal("ref_logps"), step.offsets);
    for (const Pair& pair : step.pairs) {
      const double u = beta_ * (ratio[index_of(pair.chosen)] - ratio[index_of(pair.rejected)]).item<double>();
      Sum& own = losses[step.candidates[pair.chosen].source];
      own.loss += pair.weight * (std::max(-u, 0.0) + std::log1p(std::exp(-std::abs(u))));
      own.prompts += pair.weight;
    }
    const std::map<std::string, double> shares = updated_shares(losses, state);
    std::vector<double> weights;
    for (const Candidate& candidate : step.candidates) {
      const Sum& own = losses[candidate.source];
      weights.push_back(own.prompts == 0 ? 0
                                         : shares.at(candidate.source) * step.totals.groups / own.prompts);
    }
    step.fix("group_weight", Positions::kLast, vector_of(weights));
    double worst = 0;
    for (const auto& [name, sum] : losses)
      worst = std::max(worst, sum.loss / std::max(sum.prompts, kNothing));
    metrics["worst_group_loss"] = Metric::mean(worst, 1);
  }

 protected:
  bool may_drop_reference() const override { return false; }
  bool takes_divergence() const override { return false; }
  void declare(core::Fields& fields) override {
    fields.add("step_size", step_size_, "η, how fast groups with more loss gain weight.").non_negative();
  }
  at::Tensor pair_loss(const PairTerms& pairs, const Batch& batch) const override {
    return -at::log_sigmoid(beta_ * pairs.delta()) *
           batch.fixed("group_weight").index_select(0, pairs.index.chosen);
  }

 private:
  static constexpr double kNothing = 1e-12;
  struct Sum {
    double loss = 0, prompts = 0;
  };
  static std::int64_t index_of(std::size_t candidate) { return static_cast<std::int64_t>(candidate); }

  /// Moves log α of the groups of a step, which the state keeps by name. @return their α, summing to 1
  std::map<std::string, double> updated_shares(const std::map<std::string, Sum>& losses, State& state) const {
    std::map<std::string, double> shares;
    double largest = -std::numeric_limits<double>::infinity(), total = 0;
    for (const auto& [name, sum] : losses) {
      double& log_share = state.try_emplace("log_share/" + name, std::vector{0.0}).first->second[0];
      log_share += step_size_ * sum.loss / std::max(sum.prompts, kNothing);
      shares[name] = log_share;
      largest = std::max(largest, log_share);
    }
    for (auto& [name, share] : shares) total += share = std::exp(share - largest);
    for (auto& [name, share] : shares) share /= total;
    return shares;
  }

  double step_size_ = 0.01;
};

}  // namespace

std::unique_ptr<Method> method_group_dpo() { return std::make_unique<GroupDpo>(); }

}  // namespace attune::algorithm
