// GRM, the generalizable reward model (Yang et al. 2024, arXiv:2406.10216): a reward model whose trunk must stay
// able to write the chosen answers, so that its hidden states do not fit the preferences alone,
//
//   L = (1 − α) · [−log σ(r₊ − r₋)] + α · L_text
//   L_text = −log σ(β Σ_t log π(y₊))                  aux=sft
//          = −log σ(β [Δ₊ − Δ₋]),   Δ = Σ_t log π/π_ref or Σ_t log π     aux=dpo
#include <ATen/ATen.h>

#include "algorithm/base/pair/score_pair_method.h"
#include "algorithm/part/segments.h"
#include "algorithm/part/token_metrics.h"

namespace attune::algorithm {

namespace {

class Grm final : public ScorePairMethod {
 public:
  MethodInfo info() const override {
    MethodInfo info;
    info.name = "grm";
    info.title = "Generalizable reward model";
    info.paper = "Yang et al. 2024, arXiv:2406.10216";
    info.formula =
        "L = mean over pairs of −(1 − α) log σ(s₊ − s₋ − margin) + α L_text,   s = score head at the last token\n"
        "aux: sft:  L_text = −log σ(β Σ_t log π(y₊)), without log_sigmoid −Σ_t log π(y₊)\n"
        "aux: dpo:  L_text = −log σ(β [Δ₊ − Δ₋]),   Δ = Σ_t log π/π_ref, reference_free: Σ_t log π";
    info.summary =
        "A reward model that must still be able to write the chosen answers, so that it generalises.";
    info.departures =
        "The score is a linear head on the last token, which other programs read, where the authors' code has a layer "
        "of 1024 neurons before it. An output head that is not tied to the embedding stays as it is: the text goes "
        "through the trunk.";
    info.learning_rate = 1e-5;
    info.rows = {"R13"};
    info.metrics = {
        {"text_loss", "Text loss", "L_text, how badly the trunk still writes the chosen answers."}};
    return info;
  }
  core::Fields fields() override {
    core::Fields fields;
    fields.add("alpha", alpha_, "α, weight of the text; 0 is bradley_terry.")
        .alias("weight_ratio")
        .range(0, 1);
    fields.add("aux", aux_, "What the text is learned by.").one_of({"sft", "dpo"});
    fields.add("beta", beta_, "β, what log-probabilities of the text are multiplied by.").positive();
    fields.add("reference_free", reference_free_, "aux=dpo: leave the reference out.");
    fields.add("log_sigmoid", log_sigmoid_, "aux=sft: let it fade where the answer is likely already.");
    return fields;
  }
  std::vector<Need> needs() const override {
    std::vector<Need> needs = ScorePairMethod::needs();
    if (alpha_ > 0) needs.push_back({"logps", Source::kPolicy, Positions::kTokens, true});
    if (alpha_ > 0 && reads_reference()) needs.push_back({"logps", Source::kReference});
    return needs;
  }

 protected:
  at::Tensor pair_loss(const ScorePairs& pairs, const Batch& batch) const override {
    if (alpha_ == 0) return pairs.bradley_terry();
    return (1 - alpha_) * pairs.bradley_terry() + alpha_ * text_loss(pairs.index, batch);
  }
  void add_metrics(const ScorePairs& pairs, const Batch& batch, Metrics& metrics) const override {
    if (alpha_ > 0) metrics["text_loss"] = mean_metric(text_loss(pairs.index, batch).detach());
  }

 private:
  bool reads_reference() const { return aux_ == "dpo" && !reference_free_; }
  at::Tensor text_loss(const PairIndex& index, const Batch& batch) const {
    at::Tensor logps = batch.signal("logps");
    if (reads_reference()) logps = logps - batch.signal("ref_logps").detach();
    const at::Tensor sums = segment_sum(logps, batch.offsets), chosen = sums.index_select(0, index.chosen);
    if (aux_ == "dpo") return -at::log_sigmoid(beta_ * (chosen - sums.index_select(0, index.rejected)));
    return log_sigmoid_ ? -at::log_sigmoid(beta_ * chosen) : -chosen;
  }

  double alpha_ = 0.01, beta_ = 0.1;
  std::string aux_ = "sft";
  bool reference_free_ = true, log_sigmoid_ = true;
};

}  // namespace

std::unique_ptr<Method> method_grm() { return std::make_unique<Grm>(); }

}  // namespace attune::algorithm
