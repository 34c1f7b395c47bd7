#include "record/pairing.h"

#include <gmock/gmock.h>

#include <set>

#include "record/derived_feedback.h"

namespace attune::record {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

using Counts = std::map<std::string, std::int64_t>;

/// A rollout: what a sampler and a rater give, no file and no text beside the completion.
Candidate rollout(std::vector<std::int32_t> ids, double reward) {
  Candidate candidate;
  candidate.completion_ids = std::move(ids);
  candidate.reward = reward;
  return candidate;
}

/// Completions a, b, c … with these rewards.
std::vector<Candidate> rated(const std::vector<double>& rewards) {
  std::vector<Candidate> all;
  for (const double reward : rewards) all.push_back(rollout({static_cast<std::int32_t>(all.size())}, reward));
  return all;
}

std::vector<Candidate> ranked(const std::vector<double>& ranks) {
  std::vector<Candidate> all;
  for (const double rank : ranks) {
    all.emplace_back().rank = rank;
    all.back().completion = std::string(1, static_cast<char>('a' + all.size() - 1));
  }
  return all;
}

std::unique_ptr<Pairing> pairing(const std::string& settings) {
  return make_pairing(core::parse_yaml(settings, "test"));
}

/// What a pairing made, in terms of the candidates that it was given.
struct Made {
  std::vector<std::pair<std::size_t, std::size_t>> pairs;
  std::vector<std::size_t> members;
  std::vector<Candidate> said;
  std::vector<double> weights;
  std::string problem;
  PairingCounts counts;
};

Made make(const std::string& settings, const std::vector<Candidate>& candidates, GroupShape shape,
          const PairingKey& key = {}) {
  Made made;
  const auto found = pairing(settings)->group(candidates, shape, key, made.counts);
  if (!found.ok()) {
    made.problem = found.error().reason;
    return made;
  }
  made.members = found.value().members;
  made.said = found.value().said;
  for (const auto& [chosen, rejected, weight] : found.value().pairs) {
    made.pairs.emplace_back(made.members.at(chosen), made.members.at(rejected));
    made.weights.push_back(weight);
  }
  return made;
}

Made pairs(const std::string& settings, const std::vector<Candidate>& candidates,
           const PairingKey& key = {}) {
  return make(settings, candidates, GroupShape::kPairs, key);
}

// Rewards 1, 4, 2, 4, 3: from best to worst 1, 3 (a tie), 4, 2, 0.
const std::vector<double> kFive = {1, 4, 2, 4, 3};

TEST(Pairings, BestAgainstWorst) {
  const Made made = pairs("best_worst", rated(kFive));
  EXPECT_THAT(made.pairs, ElementsAre(Pair(1, 0)));
  EXPECT_THAT(made.members, ElementsAre(1, 0));
  EXPECT_EQ(made.said[0].role, Role::kChosen);
  EXPECT_EQ(made.said[1].role, Role::kRejected);
  EXPECT_EQ(made.said[0].rank, 0);
  EXPECT_EQ(made.said[1].rank, 3);  // levels 4, 3, 2, 1
  EXPECT_EQ(made.counts.derived, (Counts{{"ranks from rewards", 1}}));
  EXPECT_EQ(made.counts.left_out, Counts());
}

TEST(Pairings, AllPairsShareTheWeightOfOneAndHoldEachCompletionOnce) {
  const Made made = pairs("all", rated(kFive));
  EXPECT_THAT(made.pairs, ElementsAre(Pair(1, 4), Pair(1, 2), Pair(1, 0), Pair(3, 4), Pair(3, 2), Pair(3, 0),
                                      Pair(4, 2), Pair(4, 0), Pair(2, 0)));
  EXPECT_THAT(made.weights, ::testing::Each(1.0 / 9));
  EXPECT_THAT(made.members, ElementsAre(1, 3, 4, 2, 0));
  EXPECT_EQ(made.said[0].role, Role::kChosen);
  EXPECT_EQ(made.said[2].role, Role::kMember);  // better than some, worse than others
  EXPECT_EQ(made.said[4].role, Role::kRejected);
  EXPECT_EQ(made.counts.left_out, (Counts{{"ties", 1}}));
}

TEST(Pairings, AdjacentOnes) {
  const Made made = pairs("adjacent", rated(kFive));
  EXPECT_THAT(made.pairs, ElementsAre(Pair(3, 4), Pair(4, 2), Pair(2, 0)));
  EXPECT_THAT(made.members, ElementsAre(3, 4, 2, 0));  // 1 ties with its only neighbour
  EXPECT_EQ(made.counts.left_out, (Counts{{"ties", 1}}));
}

TEST(Pairings, MarginsBetweenRewards) {
  const Made made = pairs("{name: margin, margin: 2}", rated(kFive));
  EXPECT_THAT(made.pairs, ElementsAre(Pair(1, 2), Pair(1, 0), Pair(3, 2), Pair(3, 0), Pair(4, 0)));
  // Gaps 0 (the tie), 1, 1, 1 and 1.
  EXPECT_EQ(made.counts.left_out, (Counts{{"pairs below the margin", 5}}));
  EXPECT_EQ(pairs("{name: margin, margin: 9}", rated(kFive)).problem,
            "the pairing makes no pair of its completions");
  const Made orders = pairs("margin", ranked({0, 1}));
  EXPECT_EQ(orders.counts.left_out, (Counts{{"pairs without rewards", 1}}));
  EXPECT_TRUE(orders.pairs.empty());
}

TEST(Pairings, EachOfTheBestAgainstTheRest) {
  const Made made = pairs("{name: top_k, k: 2}", rated(kFive));
  EXPECT_THAT(made.pairs,
              ElementsAre(Pair(1, 4), Pair(1, 2), Pair(1, 0), Pair(3, 4), Pair(3, 2), Pair(3, 0)));
  EXPECT_EQ(pairs("top_k", rated(kFive)).counts.left_out, (Counts{{"ties", 1}}));  // k = 1: 1 against 3
  EXPECT_EQ(pairs("{name: top_k, k: 9}", rated(kFive)).problem,
            "the pairing makes no pair of its completions");
}

TEST(Pairings, RandomOnesDependOnTheKeyAlone) {
  const auto draw = [](std::uint64_t record, std::uint64_t step) {
    return pairs("{name: random, n: 2}", rated(kFive), {7, record, step}).pairs;
  };
  EXPECT_EQ(draw(3, 1), draw(3, 1));
  std::set<std::pair<std::size_t, std::size_t>> seen;
  bool other_record = false, other_step = false;
  for (std::uint64_t step = 0; step < 60; ++step) {
    const auto drawn = draw(3, step);
    ASSERT_EQ(drawn.size(), 2U);
    EXPECT_NE(drawn[0], drawn[1]);
    seen.insert(drawn.begin(), drawn.end());
    other_step = other_step || drawn != draw(3, step + 1);
    other_record = other_record || drawn != draw(4, step);
  }
  EXPECT_TRUE(other_record && other_step);
  EXPECT_EQ(seen.size(), 9U);  // every pair that does not tie, and none that does
  EXPECT_FALSE(seen.contains({1, 3}) || seen.contains({3, 1}));
  EXPECT_EQ(pairs("{name: random, n: 20}", rated(kFive)).pairs.size(), 9U);
}

TEST(Pairings, TiesDuplicatesAndSinglesMakeNoPairAndAreCounted) {
  for (const char* name : {"best_worst", "all", "adjacent", "random", "top_k", "{name: margin, margin: 0}"}) {
    const Made tie = pairs(name, rated({2, 2}));
    EXPECT_EQ(tie.problem, "all candidates tie") << name;
    EXPECT_EQ(tie.counts.left_out, (Counts{{"ties", 1}})) << name;
    EXPECT_EQ(tie.counts.derived, Counts()) << name;  // nothing was learned from them
    const Made equal = pairs(name, {rollout({5, 6}, 1), rollout({5, 6}, 0)});
    EXPECT_EQ(equal.problem, "chosen equal to rejected") << name;
    EXPECT_EQ(equal.counts.left_out, (Counts{{"duplicates", 1}})) << name;
    const Made single = pairs(name, rated({1}));
    EXPECT_EQ(single.problem, "no pair of completions") << name;
    EXPECT_EQ(single.counts.left_out, (Counts{{"singles", 1}})) << name;
    EXPECT_EQ(pairs(name, {}).problem, "no completion") << name;
  }
  auto cut = std::vector{rollout({5, 6}, 1), rollout({5, 6}, 0)};
  cut[1].truncated = true;
  EXPECT_EQ(pairs("best_worst", cut).problem, "chosen equal to rejected after truncation");
  // Of three the equal two are not compared, and both against the third.
  const Made some = pairs("all", {rollout({1}, 3), rollout({1}, 2), rollout({2}, 1)});
  EXPECT_THAT(some.pairs, ElementsAre(Pair(0, 2), Pair(1, 2)));
  EXPECT_THAT(some.weights, ElementsAre(0.5, 0.5));
  EXPECT_EQ(some.counts.left_out, (Counts{{"duplicates", 1}}));
}

TEST(Pairings, PairsComeOutTheSameWhenTheirMembersArePairedAgain) {
  for (const auto& [name, make] : pairing_entries()) {
    const auto pairing = make();
    if (!pairing->makes(GroupShape::kPairs) || pairing->draws()) continue;
    PairingCounts counts;
    const auto once = pairing->group(rated(kFive), GroupShape::kPairs, {}, counts);
    ASSERT_TRUE(once.ok()) << name;
    const auto twice = pairing->group(once.value().said, GroupShape::kPairs, {}, counts);
    ASSERT_TRUE(twice.ok()) << name;
    ASSERT_EQ(twice.value().pairs.size(), once.value().pairs.size()) << name;
    for (std::size_t i = 0; i < once.value().pairs.size(); ++i) {
      EXPECT_EQ(twice.value().pairs[i].chosen, once.value().pairs[i].chosen) << name;
      EXPECT_EQ(twice.value().pairs[i].rejected, once.value().pairs[i].rejected) << name;
    }
  }
}

std::vector<bool> labels_of(const Made& made) {
  std::vector<bool> labels;
  for (const Candidate& said : made.said) labels.push_back(*said.label);
  return labels;
}

TEST(Pairings, LabelsFromAThreshold) {
  const Made made = make("{name: threshold, threshold: 3}", rated(kFive), GroupShape::kLabels);
  EXPECT_THAT(made.members, ElementsAre(0, 1, 2, 3, 4));
  EXPECT_THAT(labels_of(made), ElementsAre(false, true, false, true, true));  // 3 is good
  EXPECT_EQ(made.counts.derived, (Counts{{"labels from rewards", 1}}));
  EXPECT_THAT(make("threshold", rated({0.5}), GroupShape::kLabels).members, ElementsAre(0));
  EXPECT_EQ(make("threshold", ranked({0, 1}), GroupShape::kLabels).problem, "no rewards");
  EXPECT_THAT(make("{name: threshold, threshold: 3}", rated(kFive), GroupShape::kDemonstrations).members,
              ElementsAre(1, 3, 4));
  EXPECT_EQ(make("{name: threshold, threshold: 5}", rated(kFive), GroupShape::kDemonstrations).problem,
            "no completion is accepted");
}

TEST(Pairings, LabelsFromThePromptsMean) {
  // The mean of 1, 4, 2, 4, 3 is 2.8; of 1, 2, 3 it is 2, which is not above itself.
  EXPECT_THAT(labels_of(make("prompt_mean", rated(kFive), GroupShape::kLabels)),
              ElementsAre(false, true, false, true, true));
  EXPECT_THAT(labels_of(make("prompt_mean", rated({1, 2, 3}), GroupShape::kLabels)),
              ElementsAre(false, false, true));
  EXPECT_THAT(make("prompt_mean", rated({1, 2, 3}), GroupShape::kDemonstrations).members, ElementsAre(2));
  const Made tie = make("prompt_mean", rated({0.1, 0.1, 0.1}), GroupShape::kLabels);
  EXPECT_EQ(tie.problem, "all candidates tie");
  EXPECT_EQ(tie.counts.left_out, (Counts{{"ties", 1}}));
  const Made single = make("prompt_mean", rated({1}), GroupShape::kLabels);
  EXPECT_EQ(single.problem, "one completion, which is its own mean");
  EXPECT_EQ(single.counts.left_out, (Counts{{"singles", 1}}));
}

TEST(Pairings, ContradictoryLabelsOfEqualCompletionsAreLeftOut) {
  const Made some =
      make("threshold", {rollout({1}, 1), rollout({1}, 0), rollout({2}, 1)}, GroupShape::kLabels);
  EXPECT_THAT(some.members, ElementsAre(2));
  EXPECT_EQ(some.counts.left_out, (Counts{{"duplicates", 2}}));
  EXPECT_EQ(make("threshold", {rollout({1}, 1), rollout({1}, 0)}, GroupShape::kLabels).problem,
            "chosen equal to rejected");
  // Equal ones with one label say the same thing twice.
  EXPECT_THAT(make("threshold", {rollout({1}, 1), rollout({1}, 2)}, GroupShape::kLabels).members,
              ElementsAre(0, 1));
}

TEST(Pairings, TheBestAsDemonstrations) {
  EXPECT_THAT(make("{name: top_k, k: 3}", rated(kFive), GroupShape::kDemonstrations).members,
              ElementsAre(1, 3, 4));
  EXPECT_THAT(make("top_k", rated(kFive), GroupShape::kDemonstrations).members,
              ElementsAre(1));  // the first of a tie
  // Equal completions count once, so that the k best are k different ones.
  const Made made =
      make("{name: top_k, k: 2}", {rollout({1}, 3), rollout({1}, 3), rollout({2}, 2), rollout({3}, 1)},
           GroupShape::kDemonstrations);
  EXPECT_THAT(made.members, ElementsAre(0, 2));
  EXPECT_EQ(made.counts.left_out, (Counts{{"duplicates", 1}}));
}

TEST(Pairings, DemonstrationsAsGiven) {
  const auto accepted = [](const std::vector<Candidate>& all) {
    return make("as_given", all, GroupShape::kDemonstrations).members;
  };
  EXPECT_THAT(accepted(rated({1, 4, 2, 4})), ElementsAre(1, 3));  // the best, both of them
  EXPECT_THAT(accepted(rated({-5})), ElementsAre(0));             // nobody to compare with
  EXPECT_THAT(accepted(ranked({1, 0, 2})), ElementsAre(1));
  EXPECT_THAT(accepted({Candidate(), Candidate()}), ElementsAre(0, 1));  // nothing said counts as good
  auto labelled = rated({4, 1});
  labelled[0].label = false;
  labelled[1].label = true;
  EXPECT_THAT(accepted(labelled), ElementsAre(1));  // labels go before rewards
  EXPECT_EQ(make("as_given", ranked({1, 2}), GroupShape::kDemonstrations).problem,
            "no completion is accepted");
}

TEST(Pairings, ReasoningsWithAWrongFirstStepAreNoDemonstration) {
  Candidate right, wrong, later;
  right.step_scores = {1, 0.5};
  wrong.step_scores = {0.4, 1};
  later.step_scores = {1, 0, 1};
  EXPECT_EQ(right_steps(right), std::nullopt);
  EXPECT_EQ(right_steps(wrong), 0U);
  EXPECT_EQ(right_steps(later), 1U);
  EXPECT_THAT(make("as_given", {right, wrong, later}, GroupShape::kDemonstrations).members,
              ElementsAre(0, 2));
  EXPECT_EQ(make("as_given", {wrong}, GroupShape::kDemonstrations).problem, "the first step is wrong");
}

TEST(Pairings, LabelsAsGivenElseFromRanks) {
  EXPECT_THAT(labels_of(make("as_given", ranked({0, 1, 0}), GroupShape::kLabels)),
              ElementsAre(true, false, true));
  EXPECT_EQ(make("as_given", ranked({0}), GroupShape::kLabels).problem, "no labels");
  EXPECT_THAT(make("as_given", rated({1, 2}), GroupShape::kLabels).problem,
              AllOf(HasSubstr("threshold"), HasSubstr("prompt_mean")));
}

TEST(Pairings, GroupsTakeRewardsOrLabelsAndNoRanks) {
  const Made made = make("as_given", rated(kFive), GroupShape::kGroups);
  EXPECT_THAT(made.members, ElementsAre(0, 1, 2, 3, 4));
  EXPECT_EQ(made.counts.derived, Counts());
  std::vector<Candidate> labelled(2);
  labelled[0].label = true;
  labelled[1].label = false;
  const Made from_labels = make("as_given", labelled, GroupShape::kGroups);
  EXPECT_EQ(from_labels.said[0].reward, 1);
  EXPECT_EQ(from_labels.said[1].reward, 0);
  EXPECT_EQ(from_labels.counts.derived, (Counts{{"rewards from labels (good is 1, bad is 0)", 1}}));
  EXPECT_THAT(make("as_given", ranked({0, 1}), GroupShape::kGroups).problem,
              AllOf(HasSubstr("ranks and no rewards"), HasSubstr("dpo")));
  EXPECT_EQ(make("as_given", {Candidate()}, GroupShape::kGroups).problem, "no rewards");
  const Made single = make("as_given", rated({1}), GroupShape::kGroups);
  EXPECT_THAT(single.members, ElementsAre(0));  // kept, and counted
  EXPECT_EQ(single.counts.left_out, (Counts{{"singles", 1}}));
}

TEST(Pairings, ListsStandInTheirOrder) {
  const Made made = make("as_given", rated(kFive), GroupShape::kLists);
  EXPECT_THAT(made.members, ElementsAre(1, 3, 4, 2, 0));
  EXPECT_EQ(made.said[1].rank, 0);
  EXPECT_EQ(made.said[4].rank, 3);
  EXPECT_EQ(make("as_given", rated({1, 1}), GroupShape::kLists).problem, "all candidates tie");
  EXPECT_EQ(make("as_given", rated({1}), GroupShape::kLists).problem, "no list of completions");
}

TEST(Pairings, EqualCompletionsStandOnceInAListAtTheirBestPlace) {
  const Made made = make("as_given", {rollout({1}, 1), rollout({2}, 2), rollout({1}, 3)}, GroupShape::kLists);
  EXPECT_THAT(made.members, ElementsAre(2, 1));
  EXPECT_EQ(made.counts.left_out, (Counts{{"duplicates", 1}}));
  const Made equal = make("as_given", {rollout({1}, 1), rollout({1}, 3)}, GroupShape::kLists);
  EXPECT_EQ(equal.problem, "chosen equal to rejected");
  EXPECT_EQ(equal.counts.left_out, (Counts{{"duplicates", 1}}));
  // What is left may tie.
  const Made tie = make("as_given", {rollout({1}, 3), rollout({2}, 3), rollout({2}, 1)}, GroupShape::kLists);
  EXPECT_EQ(tie.problem, "all candidates tie");
  EXPECT_EQ(tie.counts.left_out, (Counts{{"duplicates", 1}, {"ties", 1}}));
}

TEST(Pairings, GroupsOfEqualRewardsStayAndAreCounted) {
  const Made tie = make("as_given", rated({2, 2, 2}), GroupShape::kGroups);
  EXPECT_THAT(tie.members, ElementsAre(0, 1, 2));
  EXPECT_EQ(tie.counts.left_out, (Counts{{"ties", 1}}));
  EXPECT_EQ(make("as_given", rated({2, 1, 2}), GroupShape::kGroups).counts.left_out, Counts());
}

TEST(Pairings, ADoubleUsesAllOfTheirSeam) {
  // Rewards 1, 4, 2, 4, 3: the best is 1; half of the four others are taken, which ones says the key.
  const auto drawn = [](std::uint64_t step) {
    return pairs("{name: zz_pairing, share: 0.5}", rated(kFive), {7, 3, step});
  };
  std::set<std::size_t> seen;
  for (std::uint64_t step = 0; step < 40; ++step) {
    const Made made = drawn(step);
    EXPECT_EQ(made.pairs, drawn(step).pairs);
    std::int64_t told = static_cast<std::int64_t>(made.pairs.size());
    for (const auto& [reason, count] : made.counts.left_out) told += count;
    EXPECT_EQ(told, 4);  // each comparison is made or counted
    for (const auto& [chosen, rejected] : made.pairs) {
      EXPECT_EQ(chosen, 1U);
      seen.insert(rejected);
    }
  }
  EXPECT_THAT(seen, ElementsAre(0, 2, 4));  // 3 ties
  const Made labels = make("zz_pairing", rated(kFive), GroupShape::kLabels);
  EXPECT_THAT(labels_of(labels), ElementsAre(false, true, false, true, true));  // from 2.5 on
  EXPECT_EQ(labels.counts.derived, (Counts{{"zz labels", 1}}));
  EXPECT_EQ(make("zz_pairing", ranked({0, 1}), GroupShape::kLabels).problem, "zz needs rewards");
  const Made shown = make("zz_pairing", rated(kFive), GroupShape::kDemonstrations);
  EXPECT_THAT(shown.members, ElementsAre(0, 2, 4));
  EXPECT_EQ(shown.counts.left_out, (Counts{{"every second one", 2}}));
  EXPECT_THAT(make("zz_pairing", rated(kFive), GroupShape::kLists).members, ElementsAre(1, 3, 4, 2, 0));
  EXPECT_THAT(make("zz_pairing", rated(kFive), GroupShape::kGroups).members, ElementsAre(0, 1, 2, 3, 4));
  EXPECT_EQ(pairing("{name: zz_pairing, share: 0.5}")->fields().to_json(), (core::Json{{"share", 0.5}}));
}

TEST(Pairings, EveryFieldOfFeedbackComesThrough) {
  auto all = rated({1, 2});
  all[0].preference = 0.25;
  all[0].scores = {{"help", 3}};
  all[0].annotator = "x";
  all[0].index = 7;
  const Made made = pairs("best_worst", all);
  EXPECT_EQ(made.said[1].preference, 0.25);
  EXPECT_EQ(made.said[1].scores, all[0].scores);
  EXPECT_EQ(made.said[1].annotator, "x");
  EXPECT_EQ(made.said[1].index, 7U);
}

std::string refusal(auto action) {
  try {
    action();
  } catch (const core::Error& error) {
    EXPECT_EQ(error.exit_code(), 2);
    return error.what();
  }
  return "";
}

TEST(Pairings, NamesAndShapesThatDoNotFitAreRefused) {
  EXPECT_THAT(refusal([] { pairing("adjacnt"); }), HasSubstr("did you mean 'adjacent'?"));
  EXPECT_THAT(refusal([] { pairing("{name: top_k, kk: 2}"); }), HasSubstr("pairing.kk"));
  EXPECT_THAT(refusal([] { pairing("[all]"); }), HasSubstr("a list"));
  const std::string message = refusal([] { require_shape(*pairing("all"), GroupShape::kLabels, "kto"); });
  EXPECT_THAT(message, HasSubstr("pairing=all makes no labels, and kto learns from labels"));
  EXPECT_THAT(message, HasSubstr("as_given, prompt_mean, threshold"));
  EXPECT_EQ(refusal([] { require_shape(*pairing("all"), GroupShape::kPairs, "dpo"); }), "");
}

TEST(Pairings, EveryEntryDescribesItselfAndItsDefaultsServeItsShapes) {
  std::set<GroupShape> shapes;
  for (const auto& [name, make] : pairing_entries()) {
    const auto pairing = make();
    EXPECT_EQ(pairing->info().name, name);
    EXPECT_FALSE(pairing->info().summary.empty()) << name;
    for (const GroupShape shape : pairing->shapes()) {
      shapes.insert(shape);
      PairingCounts counts;
      EXPECT_TRUE(pairing->group(rated({0, 1, 3}), shape, {}, counts).ok() ||
                  (name == "as_given" && (shape == GroupShape::kLabels || shape == GroupShape::kSteps)))
          << name << " " << to_text(shape);
    }
  }
  EXPECT_EQ(shapes.size(), 6U);
  EXPECT_EQ(default_pairing(GroupShape::kPairs)->info().name, "best_worst");
  for (const auto shape :
       {GroupShape::kDemonstrations, GroupShape::kLabels, GroupShape::kGroups, GroupShape::kLists})
    EXPECT_TRUE(default_pairing(shape)->makes(shape));
}

}  // namespace
}  // namespace attune::record
