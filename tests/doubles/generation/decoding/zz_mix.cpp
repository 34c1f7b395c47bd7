// A technique for tests that uses all of generation/decoding.h: another model as a lane, which may read
// another prompt, and a memory of its own.
#include "core/error.h"
#include "generation/decoding.h"

namespace attune::generation {
namespace {

class MixSample : public SampleDecoding {
 public:
  explicit MixSample(double alpha) : alpha_(alpha) {}

  void apply(const DecodingView& view, std::span<float> logits) override {
    ATTUNE_ASSERT(view.lanes.size() == 2 && view.completion.size() == calls_);
    ++calls_;
    for (std::size_t i = 0; i < logits.size(); ++i)
      logits[i] = static_cast<float>(alpha_ * static_cast<double>(logits[i]) +
                                     (1 - alpha_) * static_cast<double>(view.lanes[1][i]));
  }

 private:
  double alpha_;
  std::size_t calls_ = 0;
};

class Mix : public Decoding {
 public:
  DecodingInfo info() const override {
    return {"zz_mix", "Mixes the logits of two models.", "", "α z + (1 − α) z_other"};
  }
  core::Fields fields() override {
    core::Fields fields;
    fields.add("alpha", alpha_, "Share of the policy.").range(0, 1);
    fields.section("other", other_, "The other model; none: the policy once more.", "path");
    fields.add("other_prompt", other_prompt_, "Ids that the other model reads in the place of the prompt.");
    return fields;
  }
  std::vector<LaneRequest> lanes() const override { return {{"other", other_}}; }
  std::vector<std::int32_t> lane_prompt(std::size_t lane,
                                        std::span<const std::int32_t> prompt) const override {
    if (other_prompt_.empty()) return Decoding::lane_prompt(lane, prompt);
    return {other_prompt_.begin(), other_prompt_.end()};
  }
  std::unique_ptr<SampleDecoding> begin(std::span<const std::int32_t>) const override {
    return std::make_unique<MixSample>(alpha_);
  }

 private:
  double alpha_ = 0.5;
  model::ModelOptions other_;
  std::vector<std::int64_t> other_prompt_;
};

}  // namespace

std::unique_ptr<Decoding> decoding_zz_mix() { return std::make_unique<Mix>(); }

}  // namespace attune::generation
