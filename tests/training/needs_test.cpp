// What methods may ask for: it is read where they ask for it, or refused before training.
#include <gtest/gtest.h>

#include "core/error.h"
#include "tests/training/alone.h"
#include "tests/training/step_fixture.h"
#include "training/reference/model.h"
#include "training/step/engine.h"

namespace attune::training {
namespace {

using algorithm::Batch;
using algorithm::Need;
using algorithm::Positions;
using algorithm::Source;

/// A method with given needs, whose loss is a sum of the policy's log-probabilities.
class Asks final : public algorithm::Method {
 public:
  explicit Asks(std::vector<Need> needs) : needs_(std::move(needs)) {}
  explicit Asks(Need need) : Asks(std::vector<Need>{std::move(need)}) {}
  algorithm::MethodInfo info() const override {
    algorithm::MethodInfo info;
    info.name = "asks";
    return info;
  }
  core::Fields fields() override { return {}; }
  std::vector<Need> needs() const override { return needs_; }
  algorithm::Scope scope() const override { return algorithm::Scope::kStep; }
  record::GroupShape shape() const override { return record::GroupShape::kGroups; }
  algorithm::Loss loss(const Batch& batch, const algorithm::State&) const override {
    seen_ = batch.signals;
    return {batch.signal("logps").sum(), {}};
  }
  const algorithm::Signals& seen() const { return seen_; }

 private:
  std::vector<Need> needs_;
  mutable algorithm::Signals seen_;
};

void expect_refusal(const std::vector<Need>& needs, const std::string& part) {
  try {
    check_needs(Asks(needs), {});
    ADD_FAILURE() << "no word of " << part;
  } catch (const core::Error& error) {
    EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
  }
}

TEST(Needs, WhatCannotBeReadIsRefusedBeforeTraining) {
  expect_refusal({{"logps", Source::kReference, Positions::kTokens, true}}, "'ref_logps'");
  expect_refusal({{"argmax_hit", Source::kPolicy, Positions::kTokens, true}}, "'argmax_hit'");
  expect_refusal({{"score", Source::kReward, Positions::kLast}}, "reward model");
  expect_refusal({{"value", Source::kValue}}, "value model");
  expect_refusal({{"logps"}, {"logps", Source::kPolicy, Positions::kLast}},
                 "asks: 'logps' is read at each token and at the last token");
  EXPECT_NO_THROW(check_needs(Asks({"logps", Source::kTeacher}), {}));
  EXPECT_NO_THROW(check_needs(Asks({{"logps"}, {"logps", Source::kOld, Positions::kLast}}), {}));
}

TEST(Needs, WhatACacheDoesNotKeepIsRefusedBeforeTraining) {
  TrainRecipe recipe;
  const Asks tokens({"logps", Source::kReference}), last({"logps", Source::kReference, Positions::kLast}),
      ends({"reference_kl", Source::kPolicy, Positions::kStepEnds}), taught({"logps", Source::kTeacher});
  for (const bool adapter : {false, true})
    for (const Asks& method : {tokens, last, ends, taught})
      EXPECT_NO_THROW(check_cache(recipe, adapter, method));
  recipe.reference.cache = true;
  for (const bool adapter : {false, true}) {
    EXPECT_NO_THROW(check_cache(recipe, adapter, tokens));
    EXPECT_THROW(check_cache(recipe, adapter, last), core::Error);
    EXPECT_THROW(check_cache(recipe, adapter, ends), core::Error);
  }
  EXPECT_NO_THROW(check_cache(recipe, true, taught));
  EXPECT_THROW(check_cache(recipe, false, taught), core::Error);  // it would be read from weights that move
}

TEST(Needs, TheOldPolicyIsReadWhereItIsAskedFor) {
  // Also where its numbers are those of the policy's own pass, which the method wants of other places, or are
  // known of other places.
  auto policy = fixture::tiny_model(1);
  const Asks method(
      {{"logps", Source::kPolicy, Positions::kTokens, true}, {"logps", Source::kOld, Positions::kLast}});
  const auto rows = fixture::random_rows(3, 2, 31);
  Step step = assemble_step(fixture::views(rows), method, policy.config(), method.shape());
  policy.trainable();
  for (const bool known : {false, true}) {
    if (known)
      for (const auto& item : step.items)
        step.known["old_logps"].emplace_back(
            static_cast<std::size_t>(generation::rows_of(item, Positions::kTokens)), -1.0);
    algorithm::State state;
    Engine(policy, {}, {.micro_batch_tokens = 20}).run(step, method, state);
    const at::Tensor tokens = method.seen().at("logps").numbers, old = method.seen().at("old_logps").numbers;
    EXPECT_EQ(tokens.size(0), step.offsets().back());
    ASSERT_EQ(old.size(0), step.size());
    for (std::int64_t i = 0; i < step.size(); ++i) {
      const auto& item = step.items[static_cast<std::size_t>(i)];
      EXPECT_NEAR(old[i].item<double>(),
                  fixture::Alone(policy, item).logp(std::ssize(item.ids) - 1, item.ids.back()), 1e-12);
    }
  }
}

}  // namespace
}  // namespace attune::training
