// Odds Ratio Preference Optimization (Hong et al. 2024, arXiv:2403.07691, eq. 6 and 7):
//
//   L = −E log π(y₊) − β E log σ(z),   z = log odds(y₊)/odds(y₋),   odds = p/(1 − p),   p = e^(mean_t log
//   π(y_t))
//
// the first mean being one over chosen tokens.
#include <ATen/ATen.h>

#include "algorithm/base/pair/chosen_likelihood.h"
#include "algorithm/base/pair/pair_method.h"
#include "algorithm/part/token_metrics.h"

namespace attune::algorithm {

namespace {

class Orpo final : public PairMethod {
 public:
  MethodInfo info() const override {
    MethodInfo info;
    info.name = "orpo";
    info.title = "Odds Ratio Preference Optimization";
    info.paper = "Hong et al. 2024, arXiv:2403.07691, eq. 6 and 7";
    info.formula =
        "L = −mean over chosen tokens of log π − β · mean over pairs of log σ(log odds(y₊) − log odds(y₋)),  "
        " odds = p/(1 − p),   p = e^(mean_t log π)";
    info.summary =
        "Imitates the chosen answers and in the same stage makes rejected ones less likely, without a "
        "reference.";
    info.departures =
        "The likelihood is that of the chosen answers over the step; TRL counts the prompts, too, and means "
        "over a micro-batch, in float32. A probability of 1 counts as 1 − 1e-7, whose odds are finite.";
    info.trl_names = {{"orpo", ""}};
    info.rows = {"P06"};
    return info;
  }
  void prepare(Batch& step, State& /*state*/, Metrics& /*metrics*/) const override {
    fix_chosen_tokens(step);
  }

 protected:
  bool uses_reference() const override { return false; }
  at::Tensor pair_loss(const PairTerms& pairs, const Batch& batch) const override {
    return chosen_nll(pairs, batch) - beta_ * at::log_sigmoid(log_odds_ratio(pairs));
  }
  std::pair<at::Tensor, at::Tensor> rewards(const PairTerms& pairs, const Batch& /*batch*/) const override {
    return {mean_logps(pairs.chosen), mean_logps(pairs.rejected)};
  }
  void add_metrics(const PairTerms& pairs, const Batch& batch, Metrics& metrics) const override {
    add_nll_metric(pairs, batch, metrics);
    const at::Tensor ratio = log_odds_ratio(pairs).detach();
    metrics["log_odds_chosen"] = mean_metric(ratio);
    metrics["log_odds_ratio"] = mean_metric(at::log_sigmoid(ratio));
    metrics["logps/chosen"] = mean_metric(mean_logps(pairs.chosen));
    metrics["logps/rejected"] = mean_metric(mean_logps(pairs.rejected));
  }

 private:
  static at::Tensor mean_logps(const PairTerms::Side& side) { return side.per_token(side.logps); }
  static at::Tensor log_odds(const at::Tensor& mean_logps) {
    constexpr double kCertain = -1e-7;  // about one float32 step below probability 1, whose odds are infinite
    const at::Tensor l = mean_logps.clamp_max(kCertain);
    return l - (-at::expm1(l)).log();
  }
  static at::Tensor log_odds_ratio(const PairTerms& pairs) {
    return log_odds(mean_logps(pairs.chosen)) - log_odds(mean_logps(pairs.rejected));
  }
};

}  // namespace

std::unique_ptr<Method> method_orpo() { return std::make_unique<Orpo>(); }

}  // namespace attune::algorithm
