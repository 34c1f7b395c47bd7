// Epsilon sampling: no token below a fixed probability.
#include "generation/decoding.h"
#include "generation/sampling/token_logps.h"

namespace attune::generation {
namespace {

class EpsilonCutoffSample : public SampleDecoding {
 public:
  explicit EpsilonCutoffSample(double least) : least_(least) {}

  void apply(const DecodingView&, std::span<float> logits) override {
    if (least_ > 0) drop_below(logits, token_logps(logits), least_);
  }

 private:
  double least_;
};

class EpsilonCutoff : public Decoding {
 public:
  DecodingInfo info() const override {
    return {"epsilon_cutoff", "Draws from the tokens of at least a fixed probability.",
            "Hewitt et al. 2022, arXiv:2210.15191", "p(t) ≥ epsilon_cutoff, and the most probable token"};
  }
  core::Fields fields() override {
    core::Fields fields;
    fields.add("epsilon_cutoff", least_, "Keep tokens of at least this probability; 0 is off.").range(0, 1);
    return fields;
  }
  void take_settings(const SamplingOptions& options) override { least_ = options.epsilon_cutoff; }
  std::optional<int> asked_place(const SamplingOptions& options) const override {
    return options.epsilon_cutoff > 0 ? std::optional(2) : std::nullopt;
  }
  std::unique_ptr<SampleDecoding> begin(std::span<const std::int32_t>) const override {
    return std::make_unique<EpsilonCutoffSample>(least_);
  }

 private:
  double least_ = 0;
};

}  // namespace

std::unique_ptr<Decoding> decoding_epsilon_cutoff() { return std::make_unique<EpsilonCutoff>(); }

}  // namespace attune::generation
