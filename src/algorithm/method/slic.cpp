// Sequence Likelihood Calibration, SLiC and SLiC-HF (Zhao et al. 2022, arXiv:2210.00045; 2023, arXiv:2305.10425):
//
//   L = E [calibration − λ log P(target)]
//   rank:    mean over pairs of max(0, δ − s₊ + s₋)
//   margin:  mean over pairs of max(0, δ (r₊ − r₋) − s₊ + s₋)
//   list:    mean over pairs of max(0, δ (places between them) − s₊ + s₋)
//   reward:  −Σ_i softmax(s)_i r_i
//
// s = log P(y) = Σ_t log π(y_t), or its mean over tokens. Ties make no pair.
#include <ATen/ATen.h>

#include <algorithm>

#include "algorithm/base/group/list_method.h"
#include "core/error.h"

namespace attune::algorithm {

namespace {

class Slic final : public ListMethod {
 public:
  MethodInfo info() const override {
    MethodInfo info;
    info.name = "slic";
    info.title = "Sequence Likelihood Calibration";
    info.paper = "Zhao et al. 2022, arXiv:2210.00045; Zhao et al. 2023, arXiv:2305.10425";
    info.formula =
        "L = mean over prompts of (mean over pairs of max(0, δ − s₊ + s₋)) − λ log P(target),   s = log P(y) "
        "= Σ_t log π(y_t)";
    info.summary =
        "Puts answers of a list into order by a margin of likelihood and keeps imitating one of them.";
    info.departures =
        "All pairs of a list instead of one drawn at random. Of the regularisers there is cross-entropy.";
    info.learning_rate = 1e-5;
    info.rows = {"S11"};
    return info;
  }

  record::FeedbackNeeds feedback_needs() const override {
    record::FeedbackNeeds needs = ListMethod::feedback_needs();
    if (lambda_ > 0) needs.rows.clear();  // an answer alone is imitated
    if (target_ == "best") return needs;
    needs.rows.push_back(required(
        "one reference", "method.target=reference needs one answer of \"source\" reference for a prompt",
        [](std::span<const Candidate> group, std::span<const Pair>) {
          const auto count = std::ranges::count(group, "reference", &Candidate::source);
          return count == 1 ? std::string() : fmt::format("{} of {} answers", count, group.size());
        }));
    return needs;
  }

 protected:
  bool uses_reference() const override { return false; }
  bool uses_rewards() const override { return variant_ == "margin" || variant_ == "reward"; }
  void declare(core::Fields& fields) override {
    fields.add("variant", variant_, "How likelihoods are calibrated.")
        .one_of({"rank", "margin", "list", "reward"});
    fields.add("margin", margin_, "δ, by how much better answers are to be likelier.").non_negative();
    fields.add("lambda", lambda_, "λ, weight of imitating the target.").non_negative();
    fields
        .add("target", target_,
             "Which answer is imitated: the best, or the one whose source is reference, which is not "
             "compared.")
        .one_of({"best", "reference"});
    fields.add("normalize", normalize_, "s: the sum over tokens, or their mean.").one_of({"sum", "mean"});
  }
  at::Tensor list_loss(const ListTerms& list, const Batch& batch) const override {
    const at::Tensor s = scores(list), compared = compared_of(list, batch);
    const at::Tensor target = target_ == "best" ? s[0] : (s * (1 - compared)).sum();
    return calibration(list, s, compared) - lambda_ * target;
  }
  at::Tensor implicit_rewards(const ListTerms& list) const override { return scores(list); }

 private:
  at::Tensor scores(const ListTerms& list) const {
    return normalize_ == "mean" ? list.mean_logps() : list.logps;
  }
  /// [n]: 1 for all but the reference.
  at::Tensor compared_of(const ListTerms& list, const Batch& batch) const {
    at::Tensor compared = at::ones({list.size()}, at::kDouble);
    if (target_ == "best") return compared;
    for (std::int64_t i = 0; i < list.size(); ++i)
      if (batch.candidates[list.items[i].item<std::int64_t>()].source == "reference") compared[i] = 0;
    if (compared.sum().item<double>() != static_cast<double>(list.size() - 1)) {
      core::fail_request(
          "method.target: reference needs one answer of 'source' reference for each prompt; group {} has {}",
          batch.candidates[list.items[0].item<std::int64_t>()].group,
          list.size() - compared.sum().item<std::int64_t>());
    }
    return compared;
  }
  at::Tensor calibration(const ListTerms& list, const at::Tensor& s, const at::Tensor& compared) const {
    if (variant_ == "reward") return -((s + compared.log()).softmax(0) * list.merits).sum();
    const at::Tensor places = compared.cumsum(0);
    const auto gaps = [](const at::Tensor& x) { return x.unsqueeze(1) - x.unsqueeze(0); };
    const at::Tensor wanted = variant_ == "margin" ? gaps(list.merits)
                              : variant_ == "list" ? -gaps(places)
                                                   : at::ones({}, at::kDouble);
    const at::Tensor pairs = list.outranks() * compared.unsqueeze(1) * compared.unsqueeze(0);
    return ((margin_ * wanted - gaps(s)).relu() * pairs).sum() / pairs.sum().clamp_min(1);
  }

  std::string variant_ = "rank", target_ = "best", normalize_ = "sum";
  double margin_ = 1, lambda_ = 0.1;
};

}  // namespace

std::unique_ptr<Method> method_slic() { return std::make_unique<Slic>(); }

}  // namespace attune::algorithm
