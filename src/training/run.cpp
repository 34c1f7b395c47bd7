#include "training/run.h"

#include <ATen/Parallel.h>

#include <algorithm>

#include "core/error.h"
#include "core/files.h"
#include "core/system.h"
#include "model/signal.h"
#include "training/reference_cache.h"
#include "training/samples.h"

namespace attune::training {
namespace {

using algorithm::Feedback;

/// One entry of the recipe's method list, before its data is opened.
struct TermSetting {
  std::string name;
  std::unique_ptr<algorithm::Method> method;
  double weight = 1;
  core::Value data;
};

TermSetting term_of(const core::Value& setting, const core::Value& data, const std::string& key) {
  TermSetting term;
  term.data = data;
  core::Value options = setting;
  if (options.is_map()) {
    if (const auto* own = options.find("data")) term.data = *own;
    if (const auto* weight = options.find("weight")) {
      core::Fields fields;
      fields.add("weight", term.weight, "Weight of this method in the sum.");
      fields.all();
      fields.find("weight")->assign(*weight, key + ".weight");
    }
    std::erase_if(options.entries(),
                  [](const auto& entry) { return entry.first == "data" || entry.first == "weight"; });
  }
  term.method = algorithm::make_method(options, key);
  term.name = term.method->info().name;
  return term;
}

std::vector<TermSetting> terms_of(const TrainRecipe& recipe) {
  std::vector<TermSetting> terms;
  if (!recipe.method.is_list()) {
    terms.push_back(term_of(recipe.method, recipe.data, "method"));
    return terms;
  }
  for (std::size_t i = 0; i < recipe.method.items().size(); ++i)
    terms.push_back(term_of(recipe.method.items()[i], recipe.data, fmt::format("method[{}]", i)));
  if (terms.empty()) core::fail_request("{}: method is an empty list", recipe.method.place());
  return terms;
}

data::RowNeeds row_needs(Feedback feedback) {
  switch (feedback) {
    case Feedback::kDemonstrations:
      return data::RowNeeds::kDemonstrations;
    case Feedback::kPairs:
      return data::RowNeeds::kPairs;
    case Feedback::kLabels:
      return data::RowNeeds::kLabels;
    case Feedback::kGroups:
      return data::RowNeeds::kRewards;
    case Feedback::kLists:
      return data::RowNeeds::kRewards;
  }
  return data::RowNeeds::kAny;
}

bool needs_source(const algorithm::Method& method, algorithm::Source source) {
  const auto needs = method.needs();
  return std::any_of(needs.begin(), needs.end(), [&](const auto& need) { return need.source == source; });
}

/// Whether anything of the reference but cached log-probabilities is asked for.
bool compares_distributions(const algorithm::Method& method) {
  const auto needs = method.needs();
  return std::any_of(needs.begin(), needs.end(),
                     [](const auto& need) { return model::signal_named(need.signal).needs_reference(); });
}

bool scores(const algorithm::Method& method) {
  const auto needs = method.needs();
  return std::any_of(needs.begin(), needs.end(), [](const auto& need) {
    return model::signal_named(need.signal).kind() == model::SignalKind::kHead;
  });
}

/// Tokens a micro-batch, so that activations take about an eighth of the memory; more than a few thousand
/// buys nothing.
std::int64_t choose_micro_batch(const model::ModelConfig& config) {
  const double bytes_per_token =
      4.0 * static_cast<double>(config.layers * (12 * config.hidden_size + 6 * config.intermediate_size));
  const double memory = core::machine().value("memory_mb", 4096.0) * 1e6;
  const auto tokens = static_cast<std::int64_t>(memory / 8 / bytes_per_token);
  return std::clamp<std::int64_t>(tokens / 256 * 256, 512, 4096);
}

core::Json to_json(TrainRecipe& recipe) { return core::fields_of(recipe).to_json(); }

/// A run that goes on keeps the micro-batch that was chosen when it began.
std::int64_t recorded_micro_batch(const std::string& output) {
  const std::string path = output + "/recipe.yaml";
  if (!core::fs::exists(path)) return 0;
  const auto recipe = core::parse_yaml(core::read_file(path), path).to_json();
  return recipe.is_object() && recipe.contains("training")
             ? recipe["training"].value("micro_batch_tokens", std::int64_t{0})
             : 0;
}

std::string cache_folder() {
  if (const char* xdg = std::getenv("XDG_CACHE_HOME")) return std::string(xdg) + "/attune";
  if (const char* home = std::getenv("HOME")) return std::string(home) + "/.cache/attune";
  return "/tmp/attune-cache";
}

/// A run while it is put together.
class Run {
 public:
  Run(TrainRecipe recipe, const RunObserver& observer) : recipe_(std::move(recipe)), observer_(observer) {}

  RunResult execute() {
    recipe_.settle();
    settings_ = terms_of(recipe_);
    resolve();
    RunFolder folder(recipe_.output, to_json(recipe_), recipe_.resume == "auto", recipe_.overwrite);
    load_model();
    open_data();
    core::ensure_folder(recipe_.output);
    folder.begin(run_info());
    try {
      train(folder);
      publish(folder);
    } catch (const core::Error& error) {
      if (error.code() != core::ErrorCode::kInterrupted) folder.close("failed", error.what());
      throw;
    }
    return {recipe_.output, recipe_.output + "/model", updates_};
  }

 private:
  void resolve() {
    if (recipe_.training.learning_rate == 0)
      recipe_.training.learning_rate = settings_.front().method->info().learning_rate;
    if (recipe_.training.micro_batch_tokens == 0 && !recipe_.overwrite)
      recipe_.training.micro_batch_tokens = recorded_micro_batch(recipe_.output);
    recipe_.model.dtype = recipe_.training.dtype != "float32" ? recipe_.training.dtype : recipe_.model.dtype;
    if (recipe_.training.micro_batch_tokens == 0)
      recipe_.training.micro_batch_tokens = choose_micro_batch(model::Model::peek_config(recipe_.model));
  }

  void load_model() {
    model_.emplace(model::Model::load(recipe_.model));
    if (recipe_.adapter.type != "none") model_->add_adapter(recipe_.adapter, seed());
    for (const auto& term : settings_)
      if (scores(*term.method)) model_->add_score_head(seed());
    codec_ = data::TextCodec::load(model_->folder());
    codec_.max_positions = model_->config().max_positions;
    codec_.vocab_size = model_->config().vocab_size;
  }

  void open_data() {
    for (auto& setting : settings_) {
      const auto needs = row_needs(setting.method->feedback());
      auto data = open(setting.data, needs, setting.name);
      std::optional<data::Dataset> eval;
      if (!recipe_.eval.data.is_null()) eval = open(recipe_.eval.data, needs, "eval");
      terms_.push_back(
          {setting.name,
           std::move(setting.method),
           setting.weight,
           DataStream(std::move(data), {recipe_.training.batch_size, recipe_.training.tokens_per_batch,
                                        recipe_.training.shuffle, seed()}),
           std::move(eval),
           {},
           nullptr,
           nullptr});
    }
  }

  data::Dataset open(const core::Value& setting, data::RowNeeds needs, const std::string& what) {
    const auto options = data_options(setting, what == "eval" ? "eval.data" : "data");
    auto data = data::Dataset::open(options, codec_, needs);
    const auto& summary = data.summary();
    if (data.size() == 0)
      core::fail_request(
          "{}: no row of {} can be used by {}{}\n`attune check` with the same settings shows more",
          what == "eval" ? "eval.data" : "data", summary.rows_read, settings_.front().name,
          dropped_rows(summary));
    say(fmt::format("{}: {} rows of {} ({}), {} tokens, {} trained on{}", what,
                    core::human_count(data.size()), options.name(), summary.format,
                    core::human_count(summary.tokens), core::human_count(summary.trained_tokens),
                    dropped_text(summary)));
    return data;
  }

  static std::string dropped_text(const data::DatasetSummary& summary) {
    std::string text;
    for (const auto& [reason, count] : summary.dropped)
      text += fmt::format("{}{} rows: {}", text.empty() ? "; left out: " : ", ", core::human_count(count),
                          reason);
    return text;
  }

  static std::string dropped_rows(const data::DatasetSummary& summary) {
    std::string text;
    for (const auto& [reason, where] : summary.first_dropped)
      text +=
          fmt::format("\n  {} rows: {} ({})", core::human_count(summary.dropped.at(reason)), reason, where);
    return text;
  }

  /// The frozen model that the reference's signals are read from, when the policy does not carry it itself.
  Reference reference() {
    const bool wanted = std::any_of(terms_.begin(), terms_.end(), [](const MethodTerm& term) {
      return needs_source(*term.method, algorithm::Source::kReference) ||
             compares_distributions(*term.method);
    });
    if (!wanted || (recipe_.reference.path.empty() && model_->has_adapter())) return {};
    const bool cached =
        recipe_.reference.cache && std::none_of(terms_.begin(), terms_.end(), [](const MethodTerm& t) {
          return compares_distributions(*t.method) || t.method->derived() != algorithm::Derived::kNone;
        });
    if (cached && recipe_.reference.path.empty()) return {};
    model::ModelOptions options = recipe_.model;
    if (!recipe_.reference.path.empty()) options = {recipe_.reference.path, recipe_.model.dtype, "", ""};
    reference_model_.emplace(model::Model::load(options));
    return {&*reference_model_};
  }

  void fill_caches(const Reference& reference) {
    if (!recipe_.reference.cache) return;
    Engine engine(*model_, reference, engine_options());
    const bool start_is_policy = reference.model == nullptr && !model_->has_adapter();
    const auto source = start_is_policy ? algorithm::Source::kPolicy : algorithm::Source::kReference;
    const model::Model& start = reference.model != nullptr ? *reference.model : *model_;
    for (auto& term : terms_) {
      if (!needs_source(*term.method, algorithm::Source::kReference)) continue;
      if (term.method->derived() != algorithm::Derived::kNone || compares_distributions(*term.method))
        core::fail_request(
            "reference.cache: {} reads more of the reference than cached log-probabilities; "
            "leave reference.cache out",
            term.name);
      say("reference: computing its log-probabilities once");
      term.cache =
          std::make_shared<ReferenceCache>(term.stream.data(), engine, source, start, cache_folder());
      if (term.eval)
        term.eval_cache = std::make_shared<ReferenceCache>(*term.eval, engine, source, start, cache_folder());
    }
  }

  EngineOptions engine_options() const {
    return {recipe_.training.micro_batch_tokens, recipe_.training.share_prefixes, 1, seed(),
            recipe_.adapter.dropout};
  }

  void train(RunFolder& folder) {
    const Reference frozen = reference();
    fill_caches(frozen);
    const auto eval = terms_.front().eval;
    SampleWriter samples(*model_, codec_, eval ? *eval : terms_.front().stream.data(), recipe_.samples,
                         seed(), folder);
    Observer observer{observer_.on_row, observer_.on_update, {}, observer_.interrupted};
    if (std::none_of(terms_.begin(), terms_.end(), [](const MethodTerm& t) { return scores(*t.method); }))
      observer.on_samples = [&](std::int64_t update) { samples.write(update); };
    TrainerOptions options{recipe_.training, engine_options(), recipe_.training.learning_rate,
                           recipe_.eval.metric};
    Trainer trainer(*model_, frozen, std::move(terms_), options, folder, observer);
    if (const auto checkpoint = folder.checkpoint()) {
      trainer.restore(*checkpoint);
      say("continuing from " + *checkpoint);
    } else {
      folder.rewind(-1);
      EventFile::drop_after(folder.path(), -1);
    }
    trainer.run();
    updates_ = trainer.total_updates();
    if (recipe_.training.save_best && !trainer.best_checkpoint().empty())
      trainer.restore_weights(trainer.best_checkpoint());
  }

  void publish(RunFolder& folder) {
    core::StagedFolder stage(recipe_.output + "/model");
    model_->save_result(stage.path());
    stage.publish();
    folder.update({{"finished", core::iso_time()}, {"seconds", clock_.seconds()}});
    folder.close("finished");
  }

  core::Json run_info() const {
    core::Json data = core::Json::array();
    for (const auto& term : terms_) {
      const auto& summary = term.stream.data().summary();
      data.push_back({{"format", summary.format},
                      {"rows", summary.rows_kept},
                      {"rows_read", summary.rows_read},
                      {"dropped", summary.dropped},
                      {"tokens", summary.tokens},
                      {"truncated", summary.truncated},
                      {"fingerprint", fmt::format("{:016x}", summary.fingerprint)}});
    }
    core::Json versions = core::library_versions();
    versions["torch"] = ATTUNE_TORCH_VERSION;
    return {{"program", core::program_version()},
            {"versions", versions},
            {"machine", core::machine()},
            {"threads", at::get_num_threads()},
            {"seed", recipe_.seed},
            {"model_fingerprint", fmt::format("{:016x}", model_->fingerprint())},
            {"data", data},
            {"started", core::iso_time()}};
  }

  void say(const std::string& line) const {
    if (observer_.on_message) observer_.on_message(line);
  }
  std::uint64_t seed() const { return static_cast<std::uint64_t>(recipe_.seed); }

  TrainRecipe recipe_;
  const RunObserver& observer_;
  core::Stopwatch clock_;
  std::vector<TermSetting> settings_;
  std::optional<model::Model> model_, reference_model_;
  data::TextCodec codec_;
  std::vector<MethodTerm> terms_;
  std::int64_t updates_ = 0;
};

}  // namespace

data::DataOptions data_options(const core::Value& setting, const std::string& key) {
  data::DataOptions options;
  core::Fields outer;
  outer.section(key, options, "", "path");
  outer.assign_all(core::Value::map({{key, setting}}, setting.place()), "");
  return options;
}

RunResult run_training(TrainRecipe recipe, const RunObserver& observer) {
  return Run(std::move(recipe), observer).execute();
}

}  // namespace attune::training
