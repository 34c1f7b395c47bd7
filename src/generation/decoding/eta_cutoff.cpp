// Eta sampling: no token below a probability that follows the entropy.
#include <algorithm>
#include <cmath>

#include "generation/decoding.h"
#include "generation/sampling/token_logps.h"

namespace attune::generation {
namespace {

class EtaCutoffSample : public SampleDecoding {
 public:
  explicit EtaCutoffSample(double epsilon) : epsilon_(epsilon) {}

  void apply(const DecodingView&, std::span<float> logits) override {
    if (epsilon_ <= 0) return;
    const auto tokens = token_logps(logits);
    const double least = std::min(epsilon_, std::sqrt(epsilon_) * std::exp(-entropy_of(tokens)));
    drop_below(logits, tokens, least);
  }

 private:
  double epsilon_;
};

class EtaCutoff : public Decoding {
 public:
  DecodingInfo info() const override {
    return {"eta_cutoff",
            "Draws from the tokens of at least a probability that falls as the distribution grows flatter.",
            "Hewitt et al. 2022, arXiv:2210.15191",
            "p(t) ≥ min(ε, √ε · exp(−H)), and the most probable token"};
  }
  core::Fields fields() override {
    core::Fields fields;
    fields
        .add("eta_cutoff", epsilon_,
             "The probability ε that a token needs, less where the distribution is flat; 0 is off.")
        .range(0, 1);
    return fields;
  }
  void take_settings(const SamplingOptions& options) override { epsilon_ = options.eta_cutoff; }
  std::optional<int> asked_place(const SamplingOptions& options) const override {
    return options.eta_cutoff > 0 ? std::optional(3) : std::nullopt;
  }
  std::unique_ptr<SampleDecoding> begin(std::span<const std::int32_t>) const override {
    return std::make_unique<EtaCutoffSample>(epsilon_);
  }

 private:
  double epsilon_ = 0;
};

}  // namespace

std::unique_ptr<Decoding> decoding_eta_cutoff() { return std::make_unique<EtaCutoff>(); }

}  // namespace attune::generation
