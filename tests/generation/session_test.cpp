// Requests submitted, stepped and cancelled one by one.
#include "generation/session/session.h"

#include <gmock/gmock.h>

#include "core/error.h"
#include "tests/generation/tiny_models.h"

namespace attune::generation {
namespace {

class SessionTest : public testing::Test {
 protected:
  SessionTest() : model(tiny_model(kWindowed)), lanes(model) {
    options.max_new_tokens = 20;
    options.n = 2;
  }
  std::shared_ptr<const DecodingChain> chain() {
    return std::make_shared<const DecodingChain>(options, lanes, false);
  }
  static Request request(std::int32_t length, std::uint64_t record,
                         const std::shared_ptr<const DecodingChain>& chain) {
    return {{numbers(length, 7, static_cast<std::int32_t>(record)), record}, chain, 9};
  }
  static std::vector<Sample> finish(Session& session, RequestId id) {
    while (!session.finished(id)) EXPECT_TRUE(session.step());
    return session.take(id);
  }

  model::Model model;
  Lanes lanes;
  SamplingOptions options;
};

void expect_same(const model::Model& model, const std::vector<Sample>& a, const std::vector<Sample>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t s = 0; s < a.size(); ++s) {
    EXPECT_EQ(a[s].ids, b[s].ids);
    EXPECT_EQ(a[s].finish_reason, b[s].finish_reason);
    ASSERT_EQ(a[s].logps.size(), b[s].logps.size());
    // Other rows beside it may mean another order of sums in a matrix product: rounding of float32 sums.
    for (std::size_t t = 0; t < a[s].logps.size(); ++t)
      EXPECT_NEAR(a[s].logps[t], b[s].logps[t], rounding(model));
  }
}

TEST_F(SessionTest, ACancelledRequestFreesWhatItHeldAndChangesNoOther) {
  const auto settings = chain();
  Session with(lanes, nullptr, 100000), without(lanes, nullptr, 100000);
  const RequestId kept[] = {with.submit(request(21, 1, settings)), without.submit(request(21, 1, settings))};
  const RequestId gone = with.submit(request(40, 2, settings));
  const RequestId last[] = {with.submit(request(5, 3, settings)), without.submit(request(5, 3, settings))};
  for (int i = 0; i < 6; ++i) {
    with.step();
    without.step();
  }
  // Reserved: 40 prompt tokens in whole blocks are 48; two samples of 20 are 32 each.
  EXPECT_EQ(with.used_tokens() - without.used_tokens(), 48 + 2 * 32);
  // In use: 3 blocks of the prompt; five tokens of each of its samples lie in one block.
  EXPECT_EQ(with.blocks_in_use() - without.blocks_in_use(), 3 + 2);
  EXPECT_EQ(with.samples(gone)[1].ids.size(), 6U);
  with.cancel(gone);
  EXPECT_EQ(with.used_tokens(), without.used_tokens());
  EXPECT_EQ(with.blocks_in_use(), without.blocks_in_use());
  expect_same(model, finish(with, kept[0]), finish(without, kept[1]));
  expect_same(model, finish(with, last[0]), finish(without, last[1]));
  EXPECT_FALSE(with.step());
  EXPECT_EQ(with.used_tokens(), 0);
  EXPECT_EQ(with.blocks_in_use(), 0);
}

TEST_F(SessionTest, SharedPromptsStayWhenOneOfThemIsCancelled) {
  const auto settings = chain();
  Session session(lanes, nullptr, 100000), alone(lanes, nullptr, 100000);
  const RequestId gone = session.submit(request(40, 1, settings));
  Request same = request(40, 1, settings);
  same.prompt.record = 2;
  const RequestId kept = session.submit(same), expected = alone.submit(same);
  session.step();
  session.cancel(gone);
  expect_same(model, finish(session, kept), finish(alone, expected));
  EXPECT_EQ(session.blocks_in_use(), 0);
}

TEST_F(SessionTest, RequestsMayWaitAndBeCancelledBeforeAllTheirSamplesBegan) {
  options.n = 3;
  const auto settings = chain();
  // Room for one prompt (16 + 32) and one more sample.
  Session session(lanes, nullptr, 80);
  const RequestId first = session.submit(request(9, 1, settings));
  const RequestId second = session.submit(request(9, 2, settings));
  const RequestId third = session.submit(request(9, 3, settings));
  session.step();
  EXPECT_EQ(session.used_tokens(), 16 + 2 * 32);
  EXPECT_TRUE(session.samples(first)[2].ids.empty());
  session.cancel(second);  // nothing of it has begun
  session.cancel(first);   // two of three samples have
  EXPECT_EQ(session.used_tokens(), 0);
  EXPECT_EQ(session.blocks_in_use(), 0);
  Session alone(lanes, nullptr, 100000);
  const RequestId expected = alone.submit(request(9, 3, settings));
  expect_same(model, finish(session, third), finish(alone, expected));
  EXPECT_FALSE(session.step());
}

TEST_F(SessionTest, RequestsOfOtherSettingsMayComeAtAnyTime) {
  const auto settings = chain();
  options.temperature = 0;
  options.n = 1;
  options.max_new_tokens = 7;
  const auto greedy = chain();
  Session session(lanes, nullptr, 100000), one(lanes, nullptr, 100000), two(lanes, nullptr, 100000);
  const RequestId first = session.submit(request(21, 1, settings));
  for (int i = 0; i < 4; ++i) session.step();
  const RequestId second = session.submit(request(30, 2, greedy));
  const RequestId first_alone = one.submit(request(21, 1, settings));
  const RequestId second_alone = two.submit(request(30, 2, greedy));
  expect_same(model, finish(session, second), finish(two, second_alone));
  EXPECT_FALSE(session.finished(first));
  expect_same(model, finish(session, first), finish(one, first_alone));
}

TEST_F(SessionTest, AnIdleSessionGoesOn) {
  Session session(lanes, nullptr, 100000);
  EXPECT_FALSE(session.step());
  const auto settings = chain();
  const RequestId first = session.submit(request(5, 1, settings));
  EXPECT_EQ(finish(session, first)[1].ids.size(), 20U);
  EXPECT_FALSE(session.step());
  const RequestId second = session.submit(request(5, 1, settings));
  EXPECT_NE(first, second);
  EXPECT_EQ(finish(session, second)[1].ids.size(), 20U);
  EXPECT_EQ(session.produced(), 80);
}

TEST_F(SessionTest, ABadPromptIsRefusedAndTheOthersGoOn) {
  const auto settings = chain();
  Session session(lanes, nullptr, 100000);
  const RequestId good = session.submit(request(5, 1, settings));
  EXPECT_THROW(session.submit({{{}, 2}, settings, 9}), core::Error);
  EXPECT_THROW(session.submit(request(128, 3, settings)), core::Error);  // the context is 128
  EXPECT_EQ(finish(session, good)[0].ids.size(), 20U);
  EXPECT_FALSE(session.step());
}

}  // namespace
}  // namespace attune::generation
