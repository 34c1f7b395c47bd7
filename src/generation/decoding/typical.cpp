// Locally typical sampling: tokens about as surprising as the distribution is on average.
#include <algorithm>
#include <cmath>

#include "generation/decoding.h"
#include "generation/sampling/token_logps.h"

namespace attune::generation {
namespace {

class TypicalSample : public SampleDecoding {
 public:
  explicit TypicalSample(double mass) : mass_(mass) {}

  void apply(const DecodingView&, std::span<float> logits) override {
    auto tokens = token_logps(logits);
    if (tokens.size() < 2 || mass_ >= 1) return;
    const double entropy = entropy_of(tokens);
    const auto surprise = [entropy](const TokenLogp& token) { return std::abs(token.logp + entropy); };
    std::ranges::sort(tokens, {}, surprise);
    double reached = 0;
    std::size_t last = 0;
    for (; last + 1 < tokens.size(); ++last)
      if ((reached += std::exp(tokens[last].logp)) >= mass_) break;
    const double most = surprise(tokens[last]);
    const auto first =
        std::ranges::find_if(tokens, [&](const auto& token) { return surprise(token) > most; });
    drop(logits, {first, tokens.end()});
  }

 private:
  double mass_;
};

class Typical : public Decoding {
 public:
  DecodingInfo info() const override {
    return {"typical",
            "Draws from the tokens that are about as surprising as the distribution is on average.",
            "Meister et al. 2022, arXiv:2202.00666",
            "the fewest tokens by |−ln p(t) − H| whose probabilities reach typical_p"};
  }
  core::Fields fields() override {
    core::Fields fields;
    fields.add("typical_p", mass_, "Keep the most typical tokens that reach this sum; 1 is off.").range(0, 1);
    return fields;
  }
  void take_settings(const SamplingOptions& options) override { mass_ = options.typical_p; }
  std::optional<int> asked_place(const SamplingOptions& options) const override {
    return options.typical_p < 1 ? std::optional(1) : std::nullopt;
  }
  std::unique_ptr<SampleDecoding> begin(std::span<const std::int32_t>) const override {
    return std::make_unique<TypicalSample>(mass_);
  }

 private:
  double mass_ = 1;
};

}  // namespace

std::unique_ptr<Decoding> decoding_typical() { return std::make_unique<Typical>(); }

}  // namespace attune::generation
