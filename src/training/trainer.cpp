#include "training/trainer.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <chrono>
#include <cmath>

#include "core/error.h"
#include "core/files.h"
#include "core/system.h"
#include "training/checkpoint.h"
#include "training/gradient_norms.h"
#include "training/parameter_groups.h"
#include "training/phase.h"

namespace attune::training {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// Metric names get the method's name in front when several methods train together.
std::string named(const std::vector<MethodTerm>& terms, const MethodTerm& term, const std::string& metric) {
  return terms.size() == 1 ? metric : term.name + "/" + metric;
}

void fold(algorithm::Metrics& into, const std::string& name, const algorithm::Metric& metric) {
  const auto [place, fresh] = into.try_emplace(name, metric);
  if (!fresh) place->second.add(metric);
}

/// As transformers decides it: losses should fall, everything else should rise.
bool better_when_higher(const std::string& metric) { return !metric.ends_with("loss"); }

std::vector<OptimizedParameter> optimized(model::Model& model, const TrainingOptions& options, double peak) {
  return optimized_parameters(model.trainable(), parameter_rules(options.parameter_groups),
                              options.weight_decay, peak);
}

ScheduleOptions schedule_of(const TrainingOptions& options, double peak, std::int64_t total) {
  const std::int64_t by_ratio = std::llround(std::ceil(options.warmup_ratio * static_cast<double>(total)));
  return {options.schedule,
          options.warmup_steps > 0 ? options.warmup_steps : by_ratio,
          total,
          options.min_lr_ratio,
          options.num_cycles,
          options.power,
          peak,
          options.decay_steps};
}

}  // namespace

std::int64_t total_updates(const std::vector<MethodTerm>& terms, const TrainingOptions& options) {
  ATTUNE_ASSERT(!terms.empty());
  if (options.max_steps > 0) return options.max_steps;
  const auto per_epoch = static_cast<double>(terms.front().stream.batches_per_epoch());
  return std::max<std::int64_t>(1, std::llround(std::ceil(options.epochs * per_epoch - 1e-9)));
}

DataStream evaluation_stream(const data::Dataset& data, const TrainingOptions& options) {
  return DataStream(data, {options.batch_size, 0, false, 0});
}

Trainer::Trainer(model::Model& model, Reference reference, std::vector<MethodTerm> terms, Hooks hooks,
                 TrainerOptions options, RunFolder& folder, Observer observer)
    : model_(model),
      terms_(std::move(terms)),
      options_(std::move(options)),
      folder_(folder),
      observer_(std::move(observer)),
      engine_(model, reference, options_.engine),
      optimizer_(optimized(model, options_.training, options_.learning_rate),
                 {options_.training.adam_beta1, options_.training.adam_beta2, options_.training.adam_epsilon,
                  options_.training.max_grad_norm}),
      hooks_(std::move(hooks)),
      profile_(folder.path() + "/profile", options_.training.profile) {
  total_ = attune::training::total_updates(terms_, options_.training);
  schedule_ = schedule_of(options_.training, options_.learning_rate, total_);
}

Trainer::Update Trainer::update_once() {
  Update update;
  const Phase phase("update, the rest");
  std::vector<Step> steps;
  for (auto& term : terms_) {
    Step step = next_step(term);
    step.number = static_cast<std::uint64_t>(done_ + 1);
    if (step.size() == 0) continue;  // a batch of ties has nothing to say
    if (term.cache) term.cache->fill(step);
    const StepResult result = engine_.run(step, *term.method, term.state, term.weight);
    update.loss += term.weight * result.loss;
    for (const auto& [name, metric] : result.metrics) fold(window_, named(terms_, term, name), metric);
    num_tokens_ += step.tokens();
    window_tokens_ += step.tokens();
    session_tokens_ += step.tokens();
    computed_tokens_ += result.computed_tokens;
    steps.push_back(std::move(step));
  }
  update.grad_norm = measure_gradients();
  update.learning_rate = options_.learning_rate * schedule_factor(schedule_, done_);
  guard(update, steps);
  if (!steps.empty()) {
    const Phase phase("optimizer");
    optimizer_.step(update.learning_rate, update.grad_norm);
  }
  ++done_;
  for (const auto& hook : hooks_) hook->after_update(optimizer_, done_);
  return update;
}

Step Trainer::next_step(MethodTerm& term) const {
  const Phase phase("data");
  return assemble_step(term.stream.next(), *term.method, model_.config(), options_.training.pairing);
}

double Trainer::measure_gradients() {
  const Phase phase("gradient norms");
  const GradientNorms norms = gradient_norms(optimizer_.parameters());
  if (options_.training.layer_grad_norms)
    for (const auto& [layer, norm] : norms.by_layer)
      fold(window_, "grad_norm/" + layer, {algorithm::Metric::Fold::kMean, norm, 1});
  return norms.total;
}

void Trainer::guard(const Update& update, const std::vector<Step>& steps) {
  if (std::isfinite(update.loss) && std::isfinite(update.grad_norm)) return;
  const std::string path = folder_.path() + "/bad_batch.jsonl";
  core::write_file_atomically(path, [&](const core::Sink& sink) {
    for (const Step& step : steps)
      for (std::size_t i = 0; i < step.items.size(); ++i) {
        const auto& item = step.items[i];
        const auto middle = item.ids.begin() + item.prompt_length;
        sink(core::to_line({{"id", fmt::format("row-{}", step.rows[i])},
                            {"prompt_ids", std::vector<std::int32_t>(item.ids.begin(), middle)},
                            {"candidates",
                             {{{"completion_ids", std::vector<std::int32_t>(middle, item.ids.end())},
                               {"completion_mask", item.mask},
                               {"reward", step.candidates[i].reward}}}}}) +
             "\n");
      }
  });
  core::fail_run(
      "update {}: the loss is {} and the gradient norm {}. The batch is in {}; the weights are those of the "
      "last checkpoint. A smaller training.learning_rate, or a look at these rows, is what helps most often",
      done_ + 1, update.loss, update.grad_norm, path);
}

void Trainer::sample() {
  if (!observer_.on_samples) return;
  const PublishedWeights published(hooks_, optimizer_);
  observer_.on_samples(done_);
}

core::Json Trainer::evaluate() {
  const PublishedWeights published(hooks_, optimizer_);
  core::Json row = core::Json::object();
  double loss = 0;
  for (auto& term : terms_) {
    if (!term.eval) continue;
    DataStream stream = evaluation_stream(*term.eval, options_.training);
    algorithm::Metrics metrics;
    algorithm::State scratch = term.state;  // evaluation must not move running means
    double sum = 0, count = 0;
    for (std::int64_t left = stream.batches_per_epoch(); left > 0; --left) {
      Step step = assemble_step(stream.next(), *term.method, model_.config(), options_.training.pairing);
      if (step.size() == 0) continue;
      if (term.eval_cache) term.eval_cache->fill(step);
      const auto result = engine_.run(step, *term.method, scratch, 1, /*train=*/false);
      const double groups = step.totals().groups;
      sum += result.loss * groups;
      count += groups;
      for (const auto& [name, metric] : result.metrics) fold(metrics, named(terms_, term, name), metric);
    }
    loss += count > 0 ? term.weight * sum / count : 0;
    for (const auto& [name, metric] : metrics) row["eval_" + name] = metric.value();
  }
  row["eval_loss"] = loss;
  return row;
}

bool Trainer::due(std::int64_t every, bool otherwise) const {
  return done_ == total_ || (every > 0 ? done_ % every == 0 : otherwise);
}

bool Trainer::out_of_patience(const core::Json& evaluation) {
  const std::string key = "eval_" + options_.metric;
  if (!evaluation.contains(key) || !evaluation[key].is_number())
    core::fail_request("eval.metric: there is no metric {} in the evaluation", options_.metric);
  const double sign = better_when_higher(options_.metric) ? 1 : -1,
               score = sign * evaluation[key].get<double>();
  if (best_step_ < 0 || score > best_) {
    best_ = score;
    best_step_ = done_;
    bad_evaluations_ = 0;
    return false;
  }
  ++bad_evaluations_;
  return options_.training.early_stopping_patience > 0 &&
         bad_evaluations_ >= options_.training.early_stopping_patience;
}

void Trainer::write_row(const core::Json& row) {
  folder_.append_metrics(row);
  for (const auto& [name, value] : row.items()) {
    if (name == "step" || !value.is_number()) continue;
    const bool eval = name.rfind("eval_", 0) == 0;
    events_->scalar(eval ? "eval/" + name.substr(5) : "train/" + name, row["step"].get<std::int64_t>(),
                    value.get<double>());
  }
  events_->flush();
  if (observer_.on_row) observer_.on_row(row);
}

void Trainer::log(const core::Json& evaluation) {
  const double updates = static_cast<double>(window_updates_);
  core::Json row = {
      {"step", done_},
      {"epoch", terms_.front().stream.epoch()},
      {"loss", window_loss_ / updates},
      {"grad_norm", window_norm_ / updates},
      {"learning_rate", options_.learning_rate * schedule_factor(schedule_, done_ - 1)},
      {"num_tokens", num_tokens_},
      {"computed_tokens", computed_tokens_},
      {"tokens_per_second", static_cast<double>(window_tokens_) / std::max(window_seconds_, 1e-9)},
      {"step_seconds", window_seconds_ / updates},
      {"peak_rss_mb", core::peak_rss_mb()}};
  for (const auto& [name, metric] : window_) row[name] = metric.value();
  row.update(evaluation);
  window_.clear();
  window_loss_ = window_norm_ = window_seconds_ = 0;
  window_updates_ = window_tokens_ = 0;
  write_row(row);
}

void Trainer::evaluate_start() {
  sample();
  if (!has_eval()) return;
  const core::Json evaluation = evaluate();
  if (!evaluation.contains("eval_" + options_.metric)) {
    std::vector<std::string> names;
    for (const auto& [name, value] : evaluation.items()) names.push_back(name.substr(5));
    core::fail_request("eval.metric: the evaluation has no {}; did you mean {}? There are: {}",
                       options_.metric, core::nearest(options_.metric, names), fmt::join(names, ", "));
  }
  core::Json row = {{"step", 0}, {"epoch", 0.0}};
  row.update(evaluation);
  write_row(row);
}

bool Trainer::has_eval() const {
  return std::any_of(terms_.begin(), terms_.end(), [](const MethodTerm& t) { return t.eval.has_value(); });
}

bool Trainer::conclude() {
  unconcluded_ = false;
  const bool save = due(options_.training.save_steps, epoch_ended_);
  const bool judge = has_eval() && due(options_.training.eval_steps, save);
  const core::Json evaluation = judge ? evaluate() : core::Json::object();
  const bool give_up = judge && out_of_patience(evaluation);
  if (due(options_.training.logging_steps, false) || judge) log(evaluation);
  if (done_ == total_ || give_up) sample();
  if (save || give_up || (judge && options_.training.save_best && bad_evaluations_ == 0)) save_checkpoint();
  if (give_up && done_ < total_)
    say(fmt::format("stopped after {} of {} updates: eval_{} has not improved for {} evaluations", done_,
                    total_, options_.metric, bad_evaluations_));
  return give_up;
}

std::string Trainer::progress_text(const Update& update) const {
  const double speed = static_cast<double>(session_tokens_) / std::max(session_seconds_, 1e-9);
  return fmt::format("loss {:.4f}  {} tokens/s", update.loss, core::human_count(std::llround(speed)));
}

void Trainer::run() {
  if (done_ > 0) EventFile::drop_after(folder_.path(), done_);
  events_ = std::make_unique<EventFile>(folder_.path());
  if (done_ == 0) evaluate_start();
  bool give_up = unconcluded_ && conclude();
  while (done_ < total_ && !give_up) {
    const double before = terms_.front().stream.epoch();
    profile_.before_update();
    const auto start = Clock::now();
    const Update update = update_once();
    const double seconds = seconds_since(start);
    say(profile_.after_update());
    window_seconds_ += seconds;
    session_seconds_ += seconds;
    window_loss_ += update.loss;
    window_norm_ += update.grad_norm;
    ++window_updates_;
    epoch_ended_ = std::floor(terms_.front().stream.epoch()) > std::floor(before);
    if (observer_.on_update) observer_.on_update(done_, total_, progress_text(update));
    if (observer_.interrupted && observer_.interrupted()) {
      unconcluded_ = true;
      save_checkpoint();
      throw core::Error(
          core::ErrorCode::kInterrupted,
          fmt::format("interrupted; saved after update {} of {}. The same command continues", done_, total_));
    }
    give_up = conclude();
    const double minutes = options_.training.save_minutes;
    if (minutes > 0 && done_ < total_ && seconds_since(saved_) > 60 * minutes) save_checkpoint();
  }
  say(profile_.finish());
  optimizer_.require_finite(done_);
}

void Trainer::say(const std::string& line) const {
  if (observer_.on_message && !line.empty()) observer_.on_message(line);
}

std::string Trainer::best_checkpoint() const {
  return options_.training.save_best && best_step_ >= 0 ? folder_.checkpoint_path(best_step_) : "";
}

void Trainer::prune() { folder_.prune_checkpoints(options_.training.save_total_limit, best_checkpoint()); }

void Trainer::save_checkpoint() {
  optimizer_.require_finite(done_);
  attune::training::save_checkpoint(folder_.checkpoint_path(done_), model_, optimizer_, hooks_, state());
  saved_ = Clock::now();
  prune();
}

core::Json Trainer::state() const {
  core::Json terms = core::Json::array();
  for (const auto& term : terms_) terms.push_back({{"cursor", term.stream.cursor()}, {"state", term.state}});
  return {{"update", done_},
          {"total", total_},
          {"optimizer_steps", optimizer_.steps()},
          {"num_tokens", num_tokens_},
          {"computed_tokens", computed_tokens_},
          {"best", best_},
          {"best_step", best_step_},
          {"bad_evaluations", bad_evaluations_},
          {"unconcluded", unconcluded_},
          {"epoch_ended", epoch_ended_},
          {"terms", terms},
          {"window",
           {{"metrics", metrics_to_json(window_)},
            {"loss", window_loss_},
            {"norm", window_norm_},
            {"seconds", window_seconds_},
            {"updates", window_updates_},
            {"tokens", window_tokens_}}}};
}

void Trainer::restore(const std::string& checkpoint) {
  const core::Json state = load_checkpoint(checkpoint, optimizer_, hooks_);
  try {
    restore_state(state, checkpoint);
  } catch (const core::Json::exception& error) {
    core::fail_request("{}: the training state is damaged: {}", checkpoint, error.what());
  }
  folder_.rewind(done_);
  prune();  // a run that died before it could
}

void Trainer::take_result() {
  if (const auto best = best_checkpoint(); !best.empty()) load_checkpoint(best, optimizer_, hooks_);
  for (const auto& hook : hooks_) hook->exchange(optimizer_);
}

void Trainer::restore_state(const core::Json& state, const std::string& where) {
  if (state.at("terms").size() != terms_.size()) core::fail_request("{}: made by another recipe", where);
  done_ = state.at("update");
  num_tokens_ = state.at("num_tokens");
  computed_tokens_ = state.at("computed_tokens");
  best_ = state.at("best");
  best_step_ = state.at("best_step");
  bad_evaluations_ = state.at("bad_evaluations");
  unconcluded_ = state.at("unconcluded");
  epoch_ended_ = state.at("epoch_ended");
  for (std::size_t i = 0; i < terms_.size(); ++i) {
    terms_[i].stream.seek(state.at("terms")[i].at("cursor"), where);
    terms_[i].state = state.at("terms")[i].at("state").get<algorithm::State>();
  }
  const auto& window = state.at("window");
  window_ = metrics_from_json(window.at("metrics"));
  window_loss_ = window.at("loss");
  window_norm_ = window.at("norm");
  window_seconds_ = window.at("seconds");
  window_updates_ = window.at("updates");
  window_tokens_ = window.at("tokens");
}

}  // namespace attune::training
