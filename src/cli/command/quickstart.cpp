// attune quickstart: the whole loop on the bundled model. It writes stories, feedback judges them, a method
// learns from the preferences, and held-out openings show whether it helped.
#include <fmt/format.h>

#include "cli/assets.h"
#include "cli/compute_options.h"
#include "cli/quickstart/outcome.h"
#include "cli/quickstart/stories.h"
#include "cli/train_output.h"
#include "core/files/files.h"
#include "core/files/text_input.h"
#include "core/progress.h"
#include "core/system.h"
#include "feedback/rule_rater.h"

namespace attune::cli {
namespace {

struct QuickstartOptions {
  std::string output = "runs/quickstart", method = "dpo";
  Writing writing;
  double beta = 0.1, learning_rate = 3e-4, least_gap = 0.15;
  std::int64_t batch_size = 16;
  double epochs = 1;
  ComputeOptions compute;

  void declare(core::Fields& fields) {
    fields.add("output", output, "Folder of the run; an older quickstart in it is replaced.");
    fields.add("per_opening", writing.per_opening, "Stories written for each opening.").range(2, 64);
    fields.add("max_new_tokens", writing.max_new_tokens, "Longest story.").range(8, 480);
    fields.add("temperature", writing.temperature, "Temperature of the stories, before and after alike.")
        .range(0.05, 2);
    fields.add("beta", beta, "DPO's beta.").positive();
    fields.add("learning_rate", learning_rate, "Peak learning rate.").positive();
    fields.add("batch_size", batch_size, "Pairs per update.").range(1, 400);
    fields.add("epochs", epochs, "Passes over the pairs.").positive();
    fields.add("least_gap", least_gap, "Openings whose best and worst story differ by less are left out.")
        .non_negative();
    compute.declare(fields);
  }
};

class Quickstart : public Command {
 public:
  CommandInfo info() const override {
    return {
        .name = "quickstart",
        .summary = "Aligns the bundled story model and shows what changed: the whole loop in two minutes.",
        .usage = "[key=value …] [--json]",
        .details =
            "A model of 656,000 parameters writes four stories for each of 400 openings. Rules judge them: "
            "kind, complete, readable, about the same characters, without repetition. DPO learns from the "
            "best and the worst. 100 other openings are judged before and after.",
        .examples = {{"attune quickstart", "everything as it is meant, in runs/quickstart"},
                     {"attune quickstart seed=1 output=runs/again", "another draw"}},
        .flags = {}};
  }
  void declare(core::Fields& fields) override { options_.declare(fields); }

  int run(const Request&, Output& out) override {
    options_.compute.apply();
    options_.writing.seed = static_cast<std::uint64_t>(options_.compute.seed);
    load();
    const auto train_stories = write("writing stories", read_openings(openings_, "train"), 0);
    prepare_folder(train_stories);
    training::RunResult result = train(out);
    finish(result, out);
    return 0;
  }

 private:
  struct Written {
    std::vector<Opening> openings;
    Stories stories;
  };

  void load() {
    model_folder_ = asset_path("tinystories-656k");
    openings_ = asset_path("quickstart/openings.jsonl");
    const std::string rules = asset_path("quickstart/feedback.yaml");
    feedback_ = feedback::rule_rater(
        feedback::make_rules(core::parse_yaml(core::read_file(rules), rules), "feedback"),
        nullptr);  // of texts
    model_.emplace(model::Model::load({.path = model_folder_}));
    tokenizer_.emplace(text::Tokenizer::load(model_folder_));
    held_out_ = write("writing held-out stories", read_openings(openings_, "held_out"), 1);
    auto ordinary = options_.writing;
    ordinary.temperature = 1;  // ordinary means: as the model is, not as it is sampled best
    ordinary.per_opening = 1;
    ordinary_.openings = read_openings(openings_, "ordinary");
    ordinary_.stories = write_stories(*model_, *tokenizer_, ordinary_.openings, ordinary, {});
    ordinary_before_ = story_likelihoods(*model_, ordinary_.openings, ordinary_.stories, 1);
  }

  /// Lets the present model write and the feedback judge. `draw` keeps the random numbers of the parts apart.
  Written write(const std::string& title, std::vector<Opening> openings, std::uint64_t draw) {
    Writing writing = options_.writing;
    writing.seed = writing.seed * 3 + draw;
    const core::Stopwatch watch;
    core::Progress progress(title, 0, "token");
    Written written{std::move(openings), {}};
    written.stories = write_stories(*model_, *tokenizer_, written.openings, writing,
                                    [&](std::int64_t tokens) { progress.update(tokens); });
    judge_stories(written.openings, written.stories, *feedback_);
    progress.finish();
    seconds_[draw == 0 ? "sampling" : model_after_ ? "judging_after" : "judging_before"] = watch.seconds();
    return written;
  }

  static std::string lines_of(const std::vector<core::Json>& records) {
    std::string lines;
    for (const auto& record : records) lines += core::to_line(record) + "\n";
    return lines;
  }

  void prepare_folder(const Written& written) {
    const std::string data = options_.output + "/data";
    const auto train = preference_records(written.openings, written.stories, options_.least_gap);
    const auto held_out = preference_records(held_out_.openings, held_out_.stories, options_.least_gap);
    core::ensure_folder(data);
    core::write_file_atomically(data + "/preferences.jsonl", lines_of(train));
    core::write_file_atomically(data + "/held_out.jsonl", lines_of(held_out));
    fmt::print(stderr, "feedback: {} of {} openings have a clear best and worst story\n", train.size(),
               written.openings.size());
  }

  training::TrainRecipe recipe() const {
    training::TrainRecipe recipe;
    const auto text = [](const std::string& value) { return core::Value::scalar(value, true, "quickstart"); };
    recipe.model.path = model_folder_;
    recipe.data = text(options_.output + "/data/preferences.jsonl");
    recipe.eval.data = text(options_.output + "/data/held_out.jsonl");
    recipe.method =
        core::parse_yaml(fmt::format("{{name: {}, beta: {}}}", options_.method, options_.beta), "quickstart");
    recipe.training.learning_rate = options_.learning_rate;
    recipe.training.batch_size = options_.batch_size;
    recipe.training.epochs = options_.epochs;
    recipe.samples.prompts = 0;  // the held-out stories are the samples
    recipe.output = options_.output;
    recipe.overwrite = true;
    recipe.seed = options_.compute.seed;
    recipe.threads = options_.compute.threads;
    recipe.kernels = options_.compute.kernels;
    recipe.device = options_.compute.device;
    return recipe;
  }

  training::RunResult train(const Output& out) {
    const core::Stopwatch watch;
    auto result = train_with_progress(recipe(), out);
    seconds_["training"] = watch.seconds();
    return result;
  }

  void finish(const training::RunResult& result, Output& out) {
    model_after_.emplace(model::Model::load({.path = result.model_folder}));
    std::swap(model_, model_after_);
    const Written after = write("writing held-out stories", held_out_.openings, 1);
    auto ordinary_after = story_likelihoods(*model_, ordinary_.openings, ordinary_.stories, 1);
    const auto likelihoods = [&](model::Model& model) {
      return story_likelihoods(model, after.openings, after.stories, options_.writing.temperature);
    };
    const Outcome outcome =
        measure({held_out_.stories, after.stories, likelihoods(*model_), likelihoods(*model_after_),
                 ordinary_before_, std::move(ordinary_after)});
    std::swap(model_, model_after_);
    seconds_["total"] = watch_.seconds();
    const auto results = outcome.to_json(seconds_);
    core::write_file_atomically(options_.output + "/results.json", results.dump(2) + "\n");
    append_samples(after);
    report_or_say(options_.output, extras(outcome));
    if (out.json()) return out.line(results);
    show(outcome, after, out);
  }

  void append_samples(const Written& after) const {
    std::string lines;
    const auto add = [&](const Stories& stories, std::int64_t step) {
      for (std::size_t i = 0; i < stories.size(); ++i) {
        const Story& story = stories[i].front();
        lines += core::to_line({{"id", held_out_.openings[i].id},
                                {"step", step},
                                {"prompt", held_out_.openings[i].text},
                                {"candidates",
                                 {{{"completion", story.sample.text},
                                   {"reward", story.reward},
                                   {"completion_ids", story.sample.ids},
                                   {"finish_reason", story.sample.finish_reason},
                                   {"source", "policy"}}}}}) +
                 "\n";
      }
    };
    add(held_out_.stories, 0);
    add(after.stories, last_step());
    core::write_file_atomically(options_.output + "/samples.jsonl", lines);
  }

  std::int64_t last_step() const {
    core::LineReader lines(options_.output + "/metrics.jsonl");
    std::int64_t step = 0;
    for (std::string line; lines.next(line);) step = core::parse_json(line, "metrics.jsonl").at("step");
    return step;
  }

  report::ReportExtras extras(const Outcome& outcome) const {
    report::ReportExtras extras;
    extras.title = "Kinder stories: quickstart";
    extras.headline = outcome.headline();
    return extras;
  }

  void show(const Outcome& outcome, const Written& after, const Output& out) const {
    const std::size_t i = outcome.shown;
    const auto best_of = [&](const Stories& stories) { return stories[i].front(); };
    const auto story = [&](const char* name, const Story& told) {
      return fmt::format("  {} (reward {:.2f})\n    {} {}\n\n", name, told.reward, held_out_.openings[i].text,
                         told.sample.text);
    };
    out.text(fmt::format("\n{} openings that were not trained on, {} stories each\n\n{}\n",
                         after.openings.size(), options_.writing.per_opening, outcome.table()));
    out.text(story("before", best_of(held_out_.stories)) + story("after", best_of(after.stories)));
    out.text(
        fmt::format("report   {0}/report.html\nnumbers  {0}/results.json\n\ntry next\n"
                    "  attune generate model={0}/model data={0}/data/held_out.jsonl temperature={1}\n"
                    "  attune explain dpo\n"
                    "  attune train {0}/recipe.yaml method.beta=0.3 output={0}-beta-0.3\n",
                    options_.output, options_.writing.temperature));
  }

  QuickstartOptions options_;
  core::Stopwatch watch_;
  core::Json seconds_ = core::Json::object();
  std::string model_folder_, openings_;
  std::unique_ptr<feedback::Rater> feedback_;
  std::optional<model::Model> model_, model_after_;
  std::optional<text::Tokenizer> tokenizer_;
  Written held_out_, ordinary_;
  std::vector<Likelihood> ordinary_before_;
};

}  // namespace

std::unique_ptr<Command> command_quickstart() { return std::make_unique<Quickstart>(); }

}  // namespace attune::cli
