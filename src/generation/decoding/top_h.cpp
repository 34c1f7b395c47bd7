// Top-H sampling: as many of the most probable tokens as hold a share of the entropy.
#include <algorithm>
#include <cmath>
#include <functional>
#include <vector>

#include "generation/decoding.h"
#include "generation/sampling/token_logps.h"

namespace attune::generation {
namespace {

constexpr std::size_t kConsidered = 100;  // as in transformers

class TopHSample : public SampleDecoding {
 public:
  explicit TopHSample(double share) : share_(share) {}

  void apply(const DecodingView&, std::span<float> logits) override {
    auto tokens = token_logps(logits);
    if (tokens.size() < 2 || share_ <= 0) return;
    const auto end = tokens.begin() + static_cast<std::ptrdiff_t>(std::min(kConsidered, tokens.size()));
    std::ranges::partial_sort(tokens, end, std::greater(), &TokenLogp::logp);
    double total = 0;
    for (auto token = tokens.begin(); token != end; ++token) total += std::exp(token->logp);
    std::vector<TokenLogp> considered(tokens.begin(), end);
    for (TokenLogp& token : considered) token.logp -= std::log(total);
    // Equal tokens may reach the share exactly: rounding must not decide.
    const double most = share_ * entropy_of(considered) * (1 + 1e-9);
    double held = 0;
    std::size_t kept = 0;
    for (; kept < considered.size(); ++kept) {
      held += entropy_of({&considered[kept], 1});
      if (kept > 0 && held > most) break;
    }
    drop(logits, {tokens.begin() + static_cast<std::ptrdiff_t>(kept), tokens.end()});
  }

 private:
  double share_;
};

class TopH : public Decoding {
 public:
  DecodingInfo info() const override {
    return {"top_h",
            "Draws from the most probable tokens that hold a share of the entropy of the hundred most "
            "probable ones.",
            "Potraghloo et al. 2025, arXiv:2509.02510",
            "the most probable tokens with −Σ p ln p ≤ top_h · H, over the 100 most probable"};
  }
  core::Fields fields() override {
    core::Fields fields;
    fields.add("top_h", share_, "Keep the most probable tokens up to this share of the entropy; 0 is off.")
        .range(0, 1);
    return fields;
  }
  void take_settings(const SamplingOptions& options) override { share_ = options.top_h; }
  std::optional<int> asked_place(const SamplingOptions& options) const override {
    return options.top_h > 0 ? std::optional(-1) : std::nullopt;
  }
  std::unique_ptr<SampleDecoding> begin(std::span<const std::int32_t>) const override {
    return std::make_unique<TopHSample>(share_);
  }

 private:
  double share_ = 0;
};

}  // namespace

std::unique_ptr<Decoding> decoding_top_h() { return std::make_unique<TopH>(); }

}  // namespace attune::generation
