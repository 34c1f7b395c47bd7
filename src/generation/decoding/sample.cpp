// Plain sampling: sequence bias → repetition penalty → what is forbidden (token_rules.h) → temperature →
// top-k → top-p → min-p.
#include <algorithm>

#include "generation/decoding.h"
#include "generation/sampler.h"
#include "generation/token_rules.h"

namespace attune::generation {
namespace {

/// Weakens the tokens that occurred before, then filters.
class PlainSample : public SampleDecoding {
 public:
  PlainSample(const Filters& filters, double penalty, const TokenRuler& rules,
              std::span<const std::int32_t> prompt)
      : filters_(filters), rules_(rules), penalty_(penalty) {
    if (penalty_ == 1) return;
    seen_.assign(prompt.begin(), prompt.end());
    std::sort(seen_.begin(), seen_.end());
    seen_.erase(std::unique(seen_.begin(), seen_.end()), seen_.end());
  }

  void apply(const DecodingView& view, std::span<float> logits) override {
    const SampleIds ids(view.prompt, view.completion);
    rules_.favour(ids, logits);
    if (penalty_ != 1) {
      for (const std::int32_t token : view.completion.subspan(known_)) see(token);
      known_ = view.completion.size();
      penalize_repetition(logits, seen_, penalty_);
    }
    rules_.restrict(ids, view.ends, logits);
    filter(logits, filters_);
  }

 private:
  void see(std::int32_t token) {
    const auto at = std::lower_bound(seen_.begin(), seen_.end(), token);
    if (at == seen_.end() || *at != token) seen_.insert(at, token);
  }

  const Filters& filters_;
  const TokenRuler& rules_;
  double penalty_;
  std::vector<std::int32_t> seen_;  ///< distinct, ascending
  std::size_t known_ = 0;           ///< tokens of the completion that are in it
};

class Plain : public Decoding {
 public:
  DecodingInfo info() const override {
    return {"sample", "Draws from the model's distribution after penalty, temperature and filters.",
            "Holtzman et al. 2020, arXiv:1904.09751; Keskar et al. 2019, arXiv:1909.05858",
            "p(t) ∝ exp(z_t / temperature) over the tokens that top_k, top_p and min_p leave"};
  }

  core::Fields fields() override {
    core::Fields fields;
    fields
        .add("temperature", filters_.temperature,
             "Divides the logits; 0 takes the most probable token. This and the others: as the request says.")
        .range(0, 1e6);
    fields.add("top_p", filters_.top_p, "Draw from the most probable tokens that reach this sum.")
        .range(0, 1);
    fields.add("top_k", filters_.top_k, "Draw from so many most probable tokens; 0 is off.").non_negative();
    fields.add("min_p", filters_.min_p, "Draw from tokens of at least this part of the highest probability.")
        .range(0, 1);
    fields.add("repetition_penalty", penalty_, "Weakens tokens that occurred before; 1 is off.").positive();
    return fields;
  }

  void take_settings(const SamplingOptions& options) override {
    filters_ = {options.temperature, options.top_k, options.top_p, options.min_p};
    penalty_ = options.repetition_penalty;
    rules_ = TokenRuler(options.rules);
  }

  std::unique_ptr<SampleDecoding> begin(std::span<const std::int32_t> prompt) const override {
    return std::make_unique<PlainSample>(filters_, penalty_, rules_, prompt);
  }

 private:
  Filters filters_;
  TokenRuler rules_;
  double penalty_ = 1;
};

}  // namespace

std::unique_ptr<Decoding> decoding_sample() { return std::make_unique<Plain>(); }

}  // namespace attune::generation
