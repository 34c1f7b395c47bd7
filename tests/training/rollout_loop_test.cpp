// The loop on steps that are sampled: a source that draws completions of the policy as it is, has them rated
// by a rule and grouped by a pairing, and is learned from three times in two parts. The loop knows nothing of
// sampling.
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

#include "feedback/rule_rater.h"
#include "generation/generator.h"
#include "tests/training/run_fixture.h"
#include "training/step/sampled_step.h"
#include "training/trainer.h"

namespace attune::training {
namespace {

constexpr std::int64_t kSteps = 4, kPasses = 3, kParts = 2, kUpdates = kSteps * kPasses * kParts;
constexpr int kPrompts = 4, kSamples = 3;

/// What is learned from the samples, and as what.
struct Learning {
  std::string method, pairing;
  std::unique_ptr<algorithm::Method> make() const {
    return algorithm::make_method(core::parse_yaml(method, "test"));
  }
  data::RowUse use() const {
    return {make()->shape(), record::make_pairing(core::parse_yaml(pairing, "test"))};
  }
};

class Rollouts final : public StepSource {
 public:
  Rollouts(const model::Model& policy, std::vector<std::vector<std::int32_t>> prompts,
           const Learning& learning)
      : policy_(policy),
        prompts_(std::move(prompts)),
        method_(learning.make()),
        use_(learning.use()),
        rater_(feedback::rule_rater(feedback::make_rules(core::parse_yaml(
                                        "{name: contains, texts: ['1', '2'], mode: fraction}", "test")),
                                    nullptr)),
        rate_(feedback::rate_function(*rater_)) {}

  Step next(std::uint64_t update) override {
    std::vector<generation::Prompt> prompts;
    std::vector<std::int64_t> numbers;
    for (std::size_t p = 0; p < prompts_.size(); ++p) {
      prompts.push_back({prompts_[p], p});
      numbers.push_back(static_cast<std::int64_t>(p));
    }
    generation::SamplingOptions options;
    options.max_new_tokens = 5;
    options.n = kSamples;
    const auto number = static_cast<std::uint64_t>(step_);
    const auto samples = generation::Generator(policy_, nullptr).generate(prompts, options, 17, number);
    SampledStep sampled = step_of_samples(rate_(examples_of(samples)), numbers, *method_, policy_.config(),
                                          use_, {.seed = 17, .step = number});
    for (const auto& [reason, count] : sampled.unusable)
      if (reason != "all candidates tie") ADD_FAILURE() << count << " prompts: " << reason;
    EXPECT_FALSE(sampled.step.items.empty());
    Step step = std::move(sampled.step);
    step.number = update;
    ++step_;
    drawn_.push_back(samples.front().front().ids);
    return step;
  }
  StepUse use() const override { return {kPasses, kParts}; }
  std::int64_t steps_per_epoch() const override { return kSteps; }
  double epoch() const override { return static_cast<double>(step_) / kSteps; }
  core::Json cursor() const override { return {{"step", step_}}; }
  void seek(const core::Json& cursor, const std::string&) override { step_ = cursor.at("step"); }
  const std::vector<std::vector<std::int32_t>>& drawn() const { return drawn_; }

 private:
  /// Prompts and completions of ids; the rater reads them as words.
  std::vector<record::Example> examples_of(
      const std::vector<std::vector<generation::Sample>>& samples) const {
    std::vector<record::Example> examples(samples.size());
    for (std::size_t p = 0; p < samples.size(); ++p) {
      examples[p].prompt = fmt::format("{}", fmt::join(prompts_[p], " "));
      examples[p].prompt_ids = prompts_[p];
      for (const generation::Sample& sample : samples[p]) {
        record::Candidate& candidate = examples[p].candidates.emplace_back();
        candidate.completion = fmt::format("{}", fmt::join(sample.ids, " "));
        candidate.completion_ids = sample.ids;
        candidate.sampling_logps = sample.logps;
        candidate.finish_reason = sample.finish_reason;
      }
    }
    return examples;
  }

  const model::Model& policy_;
  std::vector<std::vector<std::int32_t>> prompts_;
  std::unique_ptr<algorithm::Method> method_;
  data::RowUse use_;
  std::unique_ptr<feedback::Rater> rater_;
  generation::Rate rate_;
  std::int64_t step_ = 0;
  std::vector<std::vector<std::int32_t>> drawn_;
};

/// A method that notes down how far log π/π_old of a token is from 0, of everything that it is asked until a
/// new entry begins.
class NotesRatios final : public algorithm::Method {
 public:
  NotesRatios(std::unique_ptr<algorithm::Method> method, std::vector<double>& furthest)
      : method_(std::move(method)), furthest_(furthest) {}
  algorithm::MethodInfo info() const override { return method_->info(); }
  core::Fields fields() override { return method_->fields(); }
  std::vector<algorithm::Need> needs() const override { return method_->needs(); }
  algorithm::Scope scope() const override { return method_->scope(); }
  record::GroupShape shape() const override { return method_->shape(); }
  void prepare(algorithm::Batch& step, algorithm::State& state, algorithm::Metrics& metrics) const override {
    method_->prepare(step, state, metrics);
  }
  algorithm::Loss loss(const algorithm::Batch& batch, const algorithm::State& state) const override {
    if (batch.has("old_logps")) {
      const at::Tensor ratios = (batch.signal("logps") - batch.signal("old_logps")).detach().abs();
      furthest_.back() = std::max(furthest_.back(), ratios.max().item<double>());
    }
    return method_->loss(batch, state);
  }

 private:
  std::unique_ptr<algorithm::Method> method_;
  std::vector<double>& furthest_;
};

struct Killed {};

const Learning kGroups = {"{name: grpo, beta: 0.05}", "as_given"}, kPairs = {"dpo", "{name: random, n: 2}"};

class RolloutLoop : public ::testing::Test {
 protected:
  RolloutLoop() : records_(place_.write_records("prompts.jsonl", kPrompts, 9, true)) {
    for (const auto& row : fixture::random_rows(kPrompts, 2, 9)) prompts_.push_back(row.prompt);
  }

  struct Outcome {
    std::int64_t updates = 0;
    std::vector<std::vector<std::int32_t>> drawn;
    std::vector<double> ratios;  ///< of each update, the largest |log π/π_old|
  };

  /// Trains into `output`, or goes on there. @param kill_after updates; -1: never
  Outcome train(const std::string& output, const Learning& learning, std::int64_t kill_after = -1) {
    model::Model model = model::Model::load({.path = place_.file("model")});
    std::vector<MethodTerm> terms;
    auto steps = std::make_unique<Rollouts>(model, prompts_, learning);
    const Rollouts& rollouts = *steps;
    data::DataOptions options;
    options.path = records_;
    std::vector<double> ratios = {0};
    terms.push_back({"term", std::make_unique<NotesRatios>(learning.make(), ratios), 1,
                     data::Dataset::open(options, {}, data::RowUse::anything(), place_.file("cache")),
                     std::move(steps), std::nullopt});
    const model::Model start = model::Model::load({.path = place_.file("model")});
    TrainerOptions settings;
    settings.training.epochs = 1;
    settings.training.save_steps = 4;  // within steps: the checkpoints wait for their ends
    settings.training.save_total_limit = 0;
    settings.learning_rate = 5e-3;
    RunFolder folder(place_.file(output), {{"a", 1}}, "auto", false);
    folder.begin({{"started", "now"}});
    Observer observer;
    observer.on_update = [&](std::int64_t update, const std::string&, std::int64_t) {
      if (update == kill_after) throw Killed();
      ratios.push_back(0);
    };
    Trainer trainer(model, {&start}, std::move(terms), {}, settings, folder, observer);
    if (const auto checkpoint = folder.checkpoint())
      trainer.restore(*checkpoint);
    else
      folder.rewind(-1);
    trainer.run();
    model.save(place_.file(output + "-model"));
    ratios.pop_back();
    return {trainer.updates(), rollouts.drawn(), ratios};
  }

  fixture::RunPlace place_;
  std::string records_;
  std::vector<std::vector<std::int32_t>> prompts_;
};

TEST_F(RolloutLoop, EveryStepIsLearnedFromInPartsAndKilledRunsGoOn) {
  const Outcome whole = train("whole", kGroups);
  EXPECT_EQ(whole.updates, kUpdates);
  EXPECT_EQ(whole.drawn.size(), static_cast<std::size_t>(kSteps));
  EXPECT_NE(whole.drawn.front(), whole.drawn.back());  // the policy has moved
  // Checkpoints were due after 4, 8, 12 … updates and fall between steps of six.
  std::vector<std::string> checkpoints;
  for (const auto& entry : core::fs::directory_iterator(place_.file("whole/checkpoints")))
    checkpoints.push_back(entry.path().filename());
  std::ranges::sort(checkpoints);
  EXPECT_EQ(checkpoints,
            (std::vector<std::string>{"step-000006", "step-000012", "step-000018", "step-000024"}));

  EXPECT_THROW(train("parts", kGroups, 9), Killed);   // within the second step
  EXPECT_THROW(train("parts", kGroups, 13), Killed);  // at the beginning of the third
  const Outcome rest = train("parts", kGroups);
  EXPECT_EQ(rest.updates, kUpdates);
  EXPECT_EQ(rest.drawn.back(), whole.drawn.back());
  EXPECT_EQ(fixture::comparable_metrics(place_.file("whole")),
            fixture::comparable_metrics(place_.file("parts")));
  EXPECT_EQ(fixture::bytes_below(place_.file("whole-model")),
            fixture::bytes_below(place_.file("parts-model")));
}

TEST_F(RolloutLoop, PairsThatArePickedFromSamplesGoOnAfterAKillToo) {
  train("whole", kPairs);
  EXPECT_THROW(train("parts", kPairs, 9), Killed);
  train("parts", kPairs);
  EXPECT_EQ(fixture::comparable_metrics(place_.file("whole")),
            fixture::comparable_metrics(place_.file("parts")));
  EXPECT_EQ(fixture::bytes_below(place_.file("whole-model")),
            fixture::bytes_below(place_.file("parts-model")));
  const auto losses = fixture::logged(place_.file("whole"), "loss");
  EXPECT_NEAR(losses.front(), std::log(2.0), 1e-12);  // the reference is the start
  EXPECT_LT(losses.back(), losses.front());
}

TEST_F(RolloutLoop, TheRatioLeavesOneAfterTheFirstUpdateOnly) {
  // The old policy's log-probabilities are the sampler's: at a step's first update the ratio is 1, then the
  // weights move away from what sampled.
  const Outcome outcome = train("ratios", kGroups);
  ASSERT_EQ(outcome.ratios.size(), static_cast<std::size_t>(kUpdates));
  for (std::size_t update = 0; update < outcome.ratios.size(); ++update) {
    if (update % (kPasses * kParts) == 0) {
      EXPECT_LT(outcome.ratios[update], 1e-5) << update;
    } else {
      EXPECT_GT(outcome.ratios[update], 1e-3) << update;
    }
  }
}

}  // namespace
}  // namespace attune::training
