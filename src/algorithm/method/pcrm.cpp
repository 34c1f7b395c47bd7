// The reward model with prior constraints (Zhou et al. 2024, arXiv:2404.00978): scores may not differ by more than answers
// so alike allow,
//
//   L = −log σ(r₊ − r₋) − log σ(δ* − (r₊ − r₋)),   δ* = β₁ / (similarity + β₂) + β₃
//
// The similarity of two answers is the shorter length over the longer one, or how near their embeddings point,
// (π − arccos c)/π.
#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "algorithm/base/pair/score_pair_method.h"
#include "algorithm/part/row_needs.h"
#include "algorithm/part/segments.h"
#include "core/error.h"

namespace attune::algorithm {

namespace {

constexpr const char* kCosine = "cosine";  ///< the score of an answer that holds its pair's

class Pcrm final : public ScorePairMethod {
 public:
  MethodInfo info() const override {
    MethodInfo info;
    info.name = "pcrm";
    info.title = "Reward model with prior constraints";
    info.paper = "Zhou et al. 2024, arXiv:2404.00978";
    info.formula =
        "L = mean over pairs of −log σ(s₊ − s₋ − margin) − log σ(δ* − (s₊ − s₋)),   δ* = β₁/(similarity + β₂) + β₃\n"
        "prior: length:  similarity = shorter / longer answer\n"
        "prior: cosine:  similarity = (π − arccos c)/π,   c = score 'cosine' of the chosen answer, at least 0\n"
        "prior: fixed:   δ* = limit";
    info.summary = "A reward model whose scores of two answers differ no more than answers so alike allow.";
    info.departures =
        "Scores are those of the last token, where the authors' code means over all tokens from the first that "
        "differs; lengths are those of the whole answers. The cosine of the answers' embeddings is read from the data.";
    info.learning_rate = 1e-5;
    info.rows = {"R13"};
    return info;
  }
  core::Fields fields() override {
    core::Fields fields;
    fields.add("prior", prior_, "What says how far apart the scores of two answers may be.")
        .one_of({"length", "cosine", "fixed"});
    fields.add("beta1", beta1_, "β₁: the larger, the further apart scores may be.").positive();
    fields.add("beta2", beta2_, "β₂, which keeps δ* finite.").positive();
    fields.add("beta3", beta3_, "β₃, which all pairs may have.").non_negative();
    fields.add("limit", limit_, "prior=fixed: δ* of every pair.").positive();
    return fields;
  }
  record::FeedbackNeeds feedback_needs() const override {
    if (prior_ != "cosine") return {};
    const auto missing = [](std::span<const Candidate> group, std::span<const Pair> pairs) -> std::string {
      for (const Pair& pair : pairs)
        if (!group[pair.chosen].scores.contains(kCosine))
          return fmt::format("answer {} has no score '{}'", group[pair.chosen].index + 1, kCosine);
      return "";
    };
    return {{required(fmt::format("scores: {} of chosen answers", kCosine),
                      "a chosen answer has no score 'cosine', how near it is to the rejected one", missing)}};
  }

 protected:
  at::Tensor pair_loss(const ScorePairs& pairs, const Batch& batch) const override {
    return pairs.bradley_terry() - at::log_sigmoid(furthest(pairs.index, batch) - pairs.gap());
  }

 private:
  /// δ* of each pair, [P]
  at::Tensor furthest(const PairIndex& index, const Batch& batch) const {
    if (prior_ == "fixed") return at::full_like(index.share, limit_);
    const at::Tensor alike = prior_ == "length" ? length_ratio(index, batch) : angle(index, batch);
    return beta1_ / (alike + beta2_) + beta3_;
  }
  static at::Tensor length_ratio(const PairIndex& index, const Batch& batch) {
    const at::Tensor of = lengths(batch.offsets), chosen = of.index_select(0, index.chosen),
                     rejected = of.index_select(0, index.rejected);
    return at::minimum(chosen, rejected) / at::maximum(chosen, rejected).clamp_min(1);
  }
  /// The pair's two sides are equally near, whichever stands first.
  static at::Tensor angle(const PairIndex& index, const Batch& batch) {
    std::vector<double> alike;
    for (std::int64_t p = 0; p < index.chosen.numel(); ++p) {
      double cosine = std::nan("");
      for (const at::Tensor& side : {index.chosen, index.rejected}) {
        const Candidate& candidate = batch.candidates[static_cast<std::size_t>(side[p].item<std::int64_t>())];
        const auto found = candidate.scores.find(kCosine);
        if (found != candidate.scores.end() && std::isnan(cosine)) cosine = found->second;
      }
      if (std::isnan(cosine))
        core::fail_request("a pair has no score '{}', which method.prior=cosine reads", kCosine);
      alike.push_back(1 - std::acos(std::clamp(cosine, 0.0, 1.0)) / std::numbers::pi);
    }
    return vector_of(alike);
  }

  std::string prior_ = "length";
  double beta1_ = 6, beta2_ = 0.001, beta3_ = 0, limit_ = 3;
};

}  // namespace

std::unique_ptr<Method> method_pcrm() { return std::make_unique<Pcrm>(); }

}  // namespace attune::algorithm
