// The policy before a step's updates, where nobody but the engine says what it was: read once, and the same
// while the weights move.
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tests/training/alone.h"
#include "tests/training/step_fixture.h"
#include "training/step/engine.h"

namespace attune::training {
namespace {

/// log π of the trained tokens, a sequence at a time with plain tensor operations.
std::vector<std::vector<double>> logps_of(const model::Model& model, const Step& step) {
  std::vector<std::vector<double>> lists;
  for (const data::PackItem& item : step.items) {
    const fixture::Alone alone(model, item);
    lists.emplace_back();
    for (std::size_t k = 0; k < item.mask.size(); ++k) {
      const std::int64_t token = item.prompt_length + static_cast<std::int64_t>(k);
      if (item.mask[k] != 0)
        lists.back().push_back(alone.logp(token, item.ids[static_cast<std::size_t>(token)]));
    }
  }
  return lists;
}

/// (r − mean) / (std + 1e-4) within each group of `size`.
std::vector<double> advantages_of(const Step& step, std::size_t size) {
  std::vector<double> advantages;
  for (std::size_t first = 0; first < step.candidates.size(); first += size) {
    double mean = 0, squares = 0;
    for (std::size_t i = first; i < first + size; ++i)
      mean += *step.candidates[i].reward / static_cast<double>(size);
    for (std::size_t i = first; i < first + size; ++i)
      squares += std::pow(*step.candidates[i].reward - mean, 2);
    for (std::size_t i = first; i < first + size; ++i)
      advantages.push_back((*step.candidates[i].reward - mean) /
                           (std::sqrt(squares / static_cast<double>(size - 1)) + 1e-4));
  }
  return advantages;
}

struct Expected {
  double loss = 0, clipped = 0;  ///< mean over completions of the mean over their tokens; share of tokens
};

/// GRPO written out: −min(ρ A, clip(ρ, 0.8, 1.2) A).
Expected expected(const std::vector<std::vector<double>>& now, const std::vector<std::vector<double>>& old,
                  const std::vector<double>& advantages) {
  Expected result;
  double tokens = 0;
  for (std::size_t i = 0; i < now.size(); ++i)
    for (std::size_t t = 0; t < now[i].size(); ++t, ++tokens) {
      const double ratio = std::exp(now[i][t] - old[i][t]), a = advantages[i];
      const double term = -std::min(ratio * a, std::clamp(ratio, 0.8, 1.2) * a);
      result.loss += term / static_cast<double>(now[i].size() * now.size());
      result.clipped += (ratio < 0.8 && a < 0) || (ratio > 1.2 && a > 0) ? 1 : 0;
    }
  result.clipped /= tokens;
  return result;
}

TEST(OldPolicy, StaysWhatItWasWhileTheWeightsMove) {
  const auto grpo = algorithm::make_method(core::Value::scalar("grpo", false, "test"));
  auto model = fixture::tiny_model(1);
  const Step step =
      assemble_step(fixture::views(fixture::random_rows(3, 4, 7)), *grpo, model.config(), grpo->shape());
  ASSERT_TRUE(step.known.empty());
  const auto parameters = model.trainable();
  const Engine engine(model, {}, {.micro_batch_tokens = 30});
  algorithm::State state;
  const auto old = logps_of(model, step);
  const auto advantages = advantages_of(step, 4);
  const PreparedStep prepared = engine.prepare(step, *grpo, state, /*updates=*/3);
  for (int update = 0; update < 3; ++update) {
    const auto now = logps_of(model, step);
    const auto result = engine.accumulate(prepared, *grpo, state, prepared.all(), prepared.batch.totals);
    const Expected by_hand = expected(now, old, advantages);
    EXPECT_NEAR(result.loss, by_hand.loss, 1e-10) << update;
    EXPECT_NEAR(result.metrics.at("clip_ratio/region_mean").value(), by_hand.clipped, 1e-12) << update;
    if (update == 0) {
      EXPECT_EQ(by_hand.clipped, 0);  // every ratio is 1
    } else {
      EXPECT_GT(by_hand.clipped, 0.02) << update;
      EXPECT_LT(by_hand.clipped, 0.98) << update;
    }
    const c10::NoGradGuard no_gradients;
    for (const auto& parameter : parameters) {
      parameter.tensor.sub_(parameter.tensor.grad(), 0.5);
      parameter.tensor.mutable_grad() = at::Tensor();
    }
  }
}

}  // namespace
}  // namespace attune::training
