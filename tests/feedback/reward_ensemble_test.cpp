// Ensembles of reward models, worked by hand.
#include "feedback/reward_ensemble.h"

#include <gmock/gmock.h>

#include <memory>

#include "feedback/combine.h"

namespace attune::feedback {
namespace {

using testing::ElementsAre, testing::Optional, testing::Pair, testing::UnorderedElementsAre;

/// Gives every answer its length plus a constant; it cannot rate an empty one.
class LengthRater : public Rater {
 public:
  LengthRater(std::string name, double more) : Rater(std::move(name)), more_(more) {}

 protected:
  std::vector<Remark> fill(std::span<record::Example> examples) override {
    std::vector<Remark> remarks;
    for (record::Candidate* candidate : candidates_of(examples)) {
      const auto text = candidate->completion.get<std::string>();
      remarks.emplace_back();
      if (text.empty())
        remarks.back().unusable = "empty";
      else
        give(*candidate, static_cast<double>(text.size()) + more_);
    }
    return remarks;
  }

 private:
  double more_;
};

TEST(Combination, OfThreeRewards) {
  // 1, 2, 6: mean 3, deviations −2, −1, 3, population variance 14/3
  const std::vector<double> rewards = {1, 2, 6};
  EXPECT_DOUBLE_EQ((Combination{"mean", 9}.of(rewards)), 3);
  EXPECT_DOUBLE_EQ((Combination{"worst", 9}.of(rewards)), 1);
  EXPECT_DOUBLE_EQ((Combination{"uwo", 0.5}.of(rewards)), 3 - 0.5 * 14 / 3);
  EXPECT_DOUBLE_EQ((Combination{"uwo", 0}.of(rewards)), 3);
}

TEST(Combination, OfOneModelIsThatModel) {
  for (const char* name : {"mean", "worst", "uwo"})
    EXPECT_EQ((Combination{name, 3}.of(std::vector<double>{-0.25})), -0.25) << name;
}

TEST(RewardEnsemble, CombinesWhatItsMembersSay) {
  std::vector<std::unique_ptr<Rater>> members;
  members.push_back(std::make_unique<LengthRater>("rm/0", 0));
  members.push_back(std::make_unique<LengthRater>("rm/1", 4));
  RewardEnsemble ensemble("rm", std::move(members), {"uwo", 0.5});
  std::vector<record::Example> examples(1);
  for (const char* text : {"ab", ""}) examples[0].candidates.emplace_back().completion = text;
  examples[0].candidates[1].reward = 7;  // of the file: an answer that cannot be rated loses it
  const auto remarks = ensemble.rate(examples);
  // 2 and 6: mean 4, variance 4
  EXPECT_THAT(examples[0].candidates[0].reward, Optional(4 - 0.5 * 4));
  EXPECT_THAT(examples[0].candidates[0].scores, ElementsAre(Pair("rm", 2)));
  EXPECT_THAT(remarks[0].metrics, UnorderedElementsAre(Pair("rm/0", 2), Pair("rm/1", 6), Pair("spread", 2)));
  EXPECT_EQ(remarks[1].unusable, "empty");
  EXPECT_FALSE(examples[0].candidates[1].reward);
}

}  // namespace
}  // namespace attune::feedback
