#include "training/run/run.h"

#include <ATen/Parallel.h>

#include <algorithm>

#include "core/error.h"
#include "core/files/files.h"
#include "core/system.h"
#include "data/split.h"
#include "data/tokens/tokenize.h"
#include "feedback/reward_texts.h"
#include "generation/codec.h"
#include "generation/sampling/generation_config.h"
#include "report/metric_names.h"
#include "training/hook.h"
#include "training/method_needs.h"
#include "training/reference/model.h"
#include "training/run/checkpoint/continuation.h"
#include "training/run/checkpoint/data_files.h"
#include "training/run/output/samples.h"
#include "training/run/recipe/named_files.h"
#include "training/run/recipe/resolve.h"
#include "training/run/recipe/terms.h"
#include "training/trainer.h"

namespace attune::training {
namespace {

/// A run while it is put together.
class Run {
 public:
  Run(TrainRecipe recipe, const Observer& observer, Processes processes)
      : recipe_(std::move(recipe)), observer_(observer), processes_(std::move(processes)) {}

  RunResult execute() {
    RunFolder folder = settle();
    const DataFiles files(recipe_, settings_);
    Continuation continuation(folder, recipe_.resume_data == "changed");
    open(folder, files, continuation);
    reference_.emplace(recipe_, *model_, terms_);
    for (const auto& term : terms_) {
      check_needs(*term.method, reference_->frozen());
      check_cache(recipe_, model_->has_adapter(), *term.method);
    }
    processes_.any(false);  // all have seen the folder as it was
    core::Json info = run_info();
    info["data_files"] = files.json();
    if (!continuation.told().is_null()) info["data_changes"] = continuation.told();
    folder.begin(info);
    if (folder.writes()) files.save(folder.path());
    try {
      train(folder);
      if (processes_.leads()) publish(folder);
    } catch (const core::Error& error) {
      if (error.code() == core::ErrorCode::kRequest && folder.discard()) throw;
      if (error.code() != core::ErrorCode::kInterrupted) folder.close("failed", error.what());
      throw;
    }
    processes_.any(false);  // all is written
    return {recipe_.output, recipe_.output + "/model", updates_, processes_.leads()};
  }

  std::string rehearse() {
    const RunFolder folder = settle();
    if (!folder.checkpoint()) return "";
    Continuation continuation(folder, recipe_.resume_data == "changed");
    open(folder, DataFiles(recipe_, settings_), continuation);
    return *folder.checkpoint();
  }

 private:
  RunFolder settle() {
    recipe_.require_complete();
    recipe_.settle();
    settings_ = terms_of(recipe_);
    metrics_ = own_metrics(settings_);
    resolve(recipe_, settings_);
    return {recipe_.output, resolved_json(recipe_, settings_), recipe_.resume, recipe_.overwrite,
            processes_.leads()};
  }

  /// Model and data, compared with what the run began with where it goes on.
  void open(const RunFolder& folder, const DataFiles& files, Continuation& continuation) {
    continuation.compare_files(files);
    if (!folder.checkpoint() && !folder.info().empty())
      say(fmt::format("{}: the run here kept no checkpoint, so it starts anew", recipe_.output));
    load_model();
    if (folder.checkpoint()) continuation.compare_model(recipe_.model.path, model_fingerprint());
    open_data(continuation.data_ever_changed(), files.known());
    continuation.compare_tokens(data_info());
    if (continuation.data_changed()) say("going on with data that changed: " + continuation.change());
    check_extension(folder);
  }

  void load_model() {
    recipe_.model.heads = heads_of_terms(settings_);
    model_.emplace(model::Model::load(recipe_.model));
    model_->add_adapter(recipe_.adapter, seed());
    codec_ = generation::codec_of(*model_);
    const auto pad = codec_.tokenizer ? codec_.tokenizer->pad_id() : std::nullopt;
    for (const std::string& head : recipe_.model.heads) model_->add_head(head, seed(), 1, pad.value_or(-1));
    if (any_term(settings_, scores_steps)) model_->score_tokens();
    for (const auto& setting : settings_)
      if (heads_of(*setting.method).contains("score"))
        model_->keep_beside(feedback::kRewardTextsFile, feedback::RewardTexts::of(setting.data).file_text());
  }

  /// @param shrunk the data may have fewer rows than when the run began
  void open_data(bool shrunk, const data::KnownContent& known) {
    const auto& training = recipe_.training;
    for (auto& setting : settings_) {
      const bool shuffle = training.shuffle && setting.data.shuffle;
      data::Dataset rows = open_part(setting.data, setting.use, setting.name, known);
      std::optional<data::Dataset> eval;
      if (recipe_.val_size > 0) {
        auto parts = data::split_off(rows, recipe_.val_size, seed());
        rows = std::move(parts.rest);
        eval = std::move(parts.held_out);
        say(fmt::format("eval: {} of them held out, {} left to train on", core::human_count(eval->size()),
                        core::human_count(rows.size())));
      }
      auto steps = std::make_unique<DatasetSteps>(
          DataStream(rows, {training.batch_size, training.tokens_per_batch, shuffle, seed(), shrunk}),
          *setting.method, model_->config());
      if (!recipe_.eval.data.is_null()) {
        const data::DataOptions held_out = held_out_options(recipe_);
        eval = open_part(held_out, setting.use, setting.name, known);
        if (const std::string same = trained_on_too(setting.data, held_out); !same.empty())
          say("warning: eval: " + same);
      }
      terms_.push_back({setting.name, std::move(setting.method), setting.weight, std::move(rows),
                        std::move(steps), std::move(eval)});
      terms_.back().file = setting.data.name();
    }
  }

  data::Dataset open_part(const data::DataOptions& options, const data::RowUse& use,
                          const std::string& method, const data::KnownContent& known) {
    auto data = data::Dataset::open(options, codec_, use, "", known);
    const auto& summary = data.summary();
    require_rows(options, summary, use, {method, recipe_.model.path});
    say(fmt::format("{}: {} rows of {} ({}), {} tokens, {} trained on{}",
                    options.key == "eval.data" ? "eval" : method, core::human_count(data.size()),
                    options.name(), summary.format, core::human_count(summary.tokens),
                    core::human_count(summary.trained_tokens),
                    summary.dropped.empty() ? "" : "; left out:" + left_out_text(summary)));
    if (const auto beyond = data::beyond_context_text(summary.longest, codec_.max_positions); !beyond.empty())
      say("warning: " + beyond);
    if (const std::string feedback = feedback_text(summary); !feedback.empty())
      say("  feedback: " + feedback);
    for (const auto& text : summary.noticed.texts()) say("warning: " + text);
    if (const std::string one_sided = one_sided_text(summary, use); !one_sided.empty())
      say("warning: " + one_sided);
    return data;
  }

  EngineOptions engine_options() const {
    return {recipe_.training.micro_batch_tokens, recipe_.training.share_prefixes, 1, seed(),
            recipe_.adapter.dropout};
  }

  /// Before anything of the run is touched.
  void check_extension(const RunFolder& folder) {
    if (recipe_.resume != "extend") return;
    const std::int64_t total = total_updates(terms_, recipe_.training);
    if (folder.checkpoint_step() >= total)
      core::fail_request(
          "resume=extend: {} has {} behind it, and training.epochs={:g} with training.max_steps={} ends "
          "after {}; ask for more",
          recipe_.output, core::counted(folder.checkpoint_step(), "update"), recipe_.training.epochs,
          recipe_.training.max_steps, total);
  }

  /// Settings whose moment does not come in a run as short as this one.
  void say_what_stays_idle(const Trainer& trainer) const {
    const auto& reference = recipe_.reference;
    if (reference.sync && trainer.total_updates() < reference.sync_steps)
      say(fmt::format(
          "reference.sync: the run has {}, and the reference moves every {} (reference.sync_steps)",
          core::counted(trainer.total_updates(), "update"), reference.sync_steps));
    const auto& training = recipe_.training;
    if (!schedule_info(training.schedule).follows_evaluation) return;
    const std::int64_t evaluations = trainer.total_evaluations(), first = training.plateau_patience + 1;
    if (evaluations <= first)
      say(
          fmt::format("training.schedule={}: the run has {}, and the rate may change after {}; see "
                      "training.eval_steps and training.plateau_patience",
                      training.schedule, core::counted(evaluations, "evaluation"), first));
    if (training.early_stopping_patience > 0 && training.early_stopping_patience < first)
      say(fmt::format(
          "training.schedule={}: the run ends after {} without improvement, before the rate may "
          "fall after {}; see training.early_stopping_patience and training.plateau_patience",
          training.schedule, core::counted(training.early_stopping_patience, "evaluation"), first));
  }

  void train(RunFolder& folder) {
    reference_->fill_caches(*model_, terms_, engine_options(), [&](const std::string& line) { say(line); });
    const auto eval = terms_.front().eval;
    const auto source = recipe_.eval.data.is_null() ? settings_.front().data : held_out_options(recipe_);
    SampleWriter samples(*model_, codec_, eval ? *eval : terms_.front().data, source, recipe_.samples, seed(),
                         folder);
    Observer observer = observer_;
    const bool writes_text = !heads_of_terms(terms_).contains("score");  // a reward model does not
    if (processes_.leads() && writes_text) {
      observer.on_samples = [&](std::int64_t update) { samples.write(update); };
      if (recipe_.samples.prompts > 0)
        if (const auto unheeded = generation::unheeded_settings(model_->folder()); !unheeded.empty())
          say(unheeded);
    }
    TrainerOptions options{
        recipe_.training,    engine_options(), recipe_.training.learning_rate,
        recipe_.eval.metric, processes_,       codec_.tokenizer ? &*codec_.tokenizer : nullptr};
    Trainer trainer(*model_, reference_->frozen(), std::move(terms_), hooks(), options, folder, observer);
    say_what_stays_idle(trainer);
    if (const auto checkpoint = folder.checkpoint()) {
      trainer.restore(*checkpoint);
      say("continuing from " + *checkpoint);
      if (recipe_.resume == "extend") say(trainer.extended());
    } else {
      folder.rewind(-1);
      if (folder.writes()) EventFile::drop_after(folder.path(), -1);
    }
    trainer.run();
    updates_ = trainer.updates();
    if (!processes_.leads()) return;
    const std::int64_t taken = trainer.take_result();
    if (taken != updates_)
      say(fmt::format("the result is that of update {}, the best by eval_{}", taken, recipe_.eval.metric));
    folder.put_info({{"result_step", taken}});
  }

  Hooks hooks() {
    Hooks hooks = make_hooks(recipe_);
    for (auto& hook : hooks) hook->begin({*model_, reference_->moving()});
    return hooks;
  }

  void publish(RunFolder& folder) {
    core::StagedFolder stage(recipe_.output + "/model");
    model_->save_result(stage.path());
    stage.publish();
    folder.put_info({{"finished", core::iso_time()}, {"seconds", clock_.seconds()}});
    if (observer_.on_result) observer_.on_result(recipe_.output);
    folder.close("finished");
  }

  std::string model_fingerprint() const { return fmt::format("{:016x}", model_->fingerprint()); }

  core::Json data_info() const {
    core::Json data = core::Json::array();
    for (const auto& term : terms_) {
      const auto& summary = term.data.summary();
      data.push_back(data::to_json(summary));
      data.back()["fingerprint"] = fmt::format("{:016x}", summary.fingerprint);
    }
    return data;
  }

  core::Json run_info() const {
    core::Json versions = core::library_versions();
    versions["torch"] = ATTUNE_TORCH_VERSION;
    return {{"program", core::program_version()},
            {"versions", versions},
            {"machine", core::machine()},
            {"threads", at::get_num_threads()},
            {"seed", recipe_.seed},
            {"model_fingerprint", model_fingerprint()},
            {"vocabulary", model_->config().vocab_size},
            {"data", data_info()},
            {"metrics", report::to_json(metrics_)},
            {"started", core::iso_time()}};
  }

  void say(const std::string& line) const {
    if (observer_.on_message) observer_.on_message(line);
  }
  std::uint64_t seed() const { return static_cast<std::uint64_t>(recipe_.seed); }

  TrainRecipe recipe_;
  const Observer& observer_;
  Processes processes_;
  core::Stopwatch clock_;
  std::vector<TermSetting> settings_;
  std::vector<record::MetricMeaning> metrics_;  ///< of the methods' own
  std::optional<model::Model> model_;
  data::TextCodec codec_;
  std::vector<MethodTerm> terms_;
  std::optional<ReferenceModel> reference_;
  std::int64_t updates_ = 0;
};

}  // namespace

RunResult run_training(TrainRecipe recipe, const Observer& observer, Processes processes) {
  return Run(std::move(recipe), observer, std::move(processes)).execute();
}

std::string rehearse_training(const TrainRecipe& recipe) {
  return Run(recipe, Observer(), Processes()).rehearse();
}

}  // namespace attune::training
