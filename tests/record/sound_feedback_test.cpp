#include "record/sound_feedback.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cfloat>
#include <cmath>
#include <limits>

namespace attune::record {
namespace {

using ::testing::HasSubstr;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

std::string problem_of(const Candidate& candidate) {
  const auto problem = unsound_feedback(std::vector<Candidate>{candidate});
  return problem ? problem->reason + ": " + problem->detail : "";
}

Candidate rewarded(double reward) {
  Candidate candidate;
  candidate.reward = reward;
  return candidate;
}

TEST(SoundFeedback, TakesWhatSinglePrecisionHolds) {
  for (const double fine : {0.0, -0.0, 1.0, -1e15, 1e15, 5.55e-17, 1e-38, -1.5e-45})
    EXPECT_EQ(problem_of(rewarded(fine)), "") << fine;
  EXPECT_EQ(problem_of(Candidate()), "");
}

TEST(SoundFeedback, NamesWhatItDoesNotHold) {
  EXPECT_THAT(problem_of(rewarded(std::nan(""))), HasSubstr("\"reward\" is no number"));
  EXPECT_THAT(problem_of(rewarded(kInfinity)), HasSubstr("\"reward\" is infinite"));
  EXPECT_THAT(problem_of(rewarded(-kInfinity)), HasSubstr("\"reward\" is infinite"));
  EXPECT_THAT(problem_of(rewarded(-1e300)), HasSubstr("\"reward\" is too large: -1e+300 is beyond 1e+15"));
  EXPECT_THAT(problem_of(rewarded(1e-300)),
              HasSubstr("\"reward\" is too small: 1e-300 is 0 in single precision"));
  EXPECT_THAT(problem_of(rewarded(DBL_TRUE_MIN)), HasSubstr("too small"));
}

TEST(SoundFeedback, LooksAtEveryNumberThatIsSaid) {
  Candidate candidate;
  candidate.scores = {{"kind", 1}, {"safe", kInfinity}};
  EXPECT_THAT(problem_of(candidate), HasSubstr("\"scores.safe\" is infinite"));
  candidate = {};
  candidate.step_scores = {1, 1e200};
  EXPECT_THAT(problem_of(candidate), HasSubstr("\"step_scores\" is too large"));
  candidate = {};
  candidate.margin = std::nan("");
  EXPECT_THAT(problem_of(candidate), HasSubstr("\"margin\" is no number"));
  candidate = {};
  candidate.rank = kInfinity;
  EXPECT_THAT(problem_of(candidate), HasSubstr("\"rank\" is infinite"));
  candidate = {};
  candidate.weight = -1;
  EXPECT_THAT(problem_of(candidate), HasSubstr("a negative \"weight\": -1"));
  candidate = {};
  candidate.preference = 1.5;
  EXPECT_THAT(problem_of(candidate), HasSubstr("1.5 is not between 0 and 1"));
}

TEST(SoundFeedback, SaysWhichAnswer) {
  const std::vector<Candidate> answers = {rewarded(1), rewarded(1e300)};
  EXPECT_THAT(unsound_feedback(answers)->detail, HasSubstr("answer 2: 1e+300"));
}

}  // namespace
}  // namespace attune::record
