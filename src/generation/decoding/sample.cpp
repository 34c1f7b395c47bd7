// Plain sampling: sequence bias → penalties → what is forbidden or forced (token_rules.h) → temperature →
// top-k → top-p → min-p.
#include <algorithm>

#include "generation/decoding.h"
#include "generation/sampling/sampler.h"
#include "generation/sampling/token_rules.h"

namespace attune::generation {
namespace {

/// Factors of the logits of tokens that occurred before, and of the prompt's.
struct Penalties {
  double all = 1, prompt = 1;
};

/// Weakens the tokens that occurred before, then filters.
class PlainSample : public SampleDecoding {
 public:
  PlainSample(const Filters& filters, Penalties penalties, const TokenRuler& rules,
              std::span<const std::int32_t> prompt, std::int64_t longest)
      : filters_(filters), rules_(rules), penalties_(penalties), longest_(longest) {
    if (penalties_.prompt == 1 && penalties_.all == 1) return;
    prompt_.assign(prompt.begin(), prompt.end());
    std::sort(prompt_.begin(), prompt_.end());
    prompt_.erase(std::unique(prompt_.begin(), prompt_.end()), prompt_.end());
    seen_ = prompt_;
  }

  void apply(const DecodingView& view, std::span<float> logits) override {
    const SampleIds ids(view.prompt, view.completion);
    rules_.favour(ids, logits);
    if (penalties_.prompt != 1) penalize_repetition(logits, prompt_, 1 / penalties_.prompt);
    if (penalties_.all != 1) {
      for (const std::int32_t token : view.completion.subspan(known_)) see(token);
      known_ = view.completion.size();
      penalize_repetition(logits, seen_, penalties_.all);
    }
    rules_.restrict(ids, view.ends, longest_, logits);
    filter(logits, filters_);
  }

 private:
  void see(std::int32_t token) {
    const auto at = std::lower_bound(seen_.begin(), seen_.end(), token);
    if (at == seen_.end() || *at != token) seen_.insert(at, token);
  }

  const Filters& filters_;
  const TokenRuler& rules_;
  Penalties penalties_;
  std::int64_t longest_;
  std::vector<std::int32_t> prompt_, seen_;  ///< distinct, ascending
  std::size_t known_ = 0;                    ///< tokens of the completion that are in it
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
    fields.add("repetition_penalty", penalties_.all, "Weakens tokens that occurred before; 1 is off.")
        .positive();
    return fields;
  }

  void take_settings(const SamplingOptions& options) override {
    filters_ = {options.temperature, options.top_k, options.top_p, options.min_p};
    penalties_ = {options.repetition_penalty, options.encoder_repetition_penalty};
    rules_ = TokenRuler(options.rules);
    options_ = options;
  }

  std::unique_ptr<SampleDecoding> begin(std::span<const std::int32_t> prompt) const override {
    return std::make_unique<PlainSample>(filters_, penalties_, rules_, prompt,
                                         options_.most_new_tokens(std::ssize(prompt)));
  }

 private:
  Filters filters_;
  TokenRuler rules_;
  Penalties penalties_;
  SamplingOptions options_;
};

}  // namespace

std::unique_ptr<Decoding> decoding_sample() { return std::make_unique<Plain>(); }

}  // namespace attune::generation
