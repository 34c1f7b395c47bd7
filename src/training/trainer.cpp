#include "training/trainer.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <chrono>
#include <cmath>

#include "core/error.h"
#include "core/files/files.h"
#include "core/system.h"
#include "training/optimizer/gradient_norms.h"
#include "training/optimizer/gradient_sum.h"
#include "training/optimizer/parameter_groups.h"
#include "training/run/bad_batch.h"
#include "training/run/checkpoint.h"
#include "training/step/phase.h"

namespace attune::training {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// "no number" and not "-nan", of which nobody can tell whose it is.
std::string in_words(double value) {
  if (std::isnan(value)) return "no number";
  return std::isinf(value) ? (value > 0 ? "infinite" : "minus infinite") : fmt::format("{:.6g}", value);
}

std::vector<OptimizedParameter> optimized(model::Model& model, const TrainingOptions& options, double peak) {
  return optimized_parameters(model.trainable(), parameter_rules(options.parameter_groups),
                              options.weight_decay, peak);
}

ScheduleOptions schedule_of(const TrainingOptions& options, double peak, std::int64_t total,
                            bool lower_is_better) {
  const std::int64_t by_ratio = std::llround(std::ceil(options.warmup_ratio * static_cast<double>(total)));
  return {.name = options.schedule,
          .warmup_steps = options.warmup_steps > 0 ? options.warmup_steps : by_ratio,
          .total_steps = total,
          .min_lr_ratio = options.min_lr_ratio,
          .num_cycles = options.num_cycles,
          .power = options.power,
          .peak = peak,
          .decay_steps = options.decay_steps,
          .plateau_factor = options.plateau_factor,
          .plateau_threshold = options.plateau_threshold,
          .plateau_patience = options.plateau_patience,
          .plateau_cooldown = options.plateau_cooldown,
          .lower_is_better = lower_is_better};
}

}  // namespace

Trainer::Trainer(model::Model& model, FrozenModels frozen, std::vector<MethodTerm> terms, Hooks hooks,
                 TrainerOptions options, RunFolder& folder, Observer observer)
    : model_(model),
      terms_(std::move(terms)),
      options_(std::move(options)),
      folder_(folder),
      observer_(std::move(observer)),
      engine_(model, std::move(frozen), options_.engine, options_.group),
      optimizer_(optimized(model, options_.training, options_.learning_rate),
                 {options_.training.adam_beta1, options_.training.adam_beta2, options_.training.adam_epsilon,
                  options_.training.max_grad_norm}),
      hooks_(std::move(hooks)),
      profile_(folder.path() + "/profile", folder.writes() ? options_.training.profile : 0),
      judge_(options_.metric, options_.training.early_stopping_patience) {
  total_ = attune::training::total_updates(terms_, options_.training);
  schedule_ =
      make_schedule(schedule_of(options_.training, options_.learning_rate, total_, judge_.lower_is_better()));
}

Trainer::Update Trainer::update_once() {
  Update update;
  const Phase phase(Profile::kUpdate);
  bool learned = false;
  algorithm::Metrics metrics;
  for (auto& term : terms_) {
    const auto part = learn_once(term, engine_, static_cast<std::uint64_t>(done_ + 1), [&](Step& step) {
      for (const auto& hook : hooks_) hook->before_step(step);
    });
    if (!part) continue;
    learned = true;
    update.loss += term.weight * part->result.loss;
    for (const auto& [name, metric] : part->result.metrics) metrics[named(terms_, term, name)] = metric;
    update.tokens += part->tokens;
    computed_tokens_ += part->result.computed_tokens;
  }
  for (const auto& [name, metric] : metrics) window_.add(name, metric);
  sum_gradients(optimizer_.parameters(), options_.group);
  update.grad_norm = measure_gradients();
  update.learning_rate = options_.learning_rate * schedule_->factor(done_);
  guard(update);
  if (learned) {
    const Phase phase("optimizer");
    optimizer_.step(update.learning_rate, update.grad_norm);
  }
  for (auto& term : terms_)
    if (!term.progress.between_steps()) term.progress.advance();
  ++done_;
  num_tokens_ += update.tokens;
  for (const auto& hook : hooks_) hook->after_update({optimizer_, done_, metrics});
  return update;
}

bool Trainer::between_steps() const {
  return std::ranges::all_of(terms_, [](const MethodTerm& term) { return term.progress.between_steps(); });
}

double Trainer::measure_gradients() {
  const Phase phase("gradient norms");
  const GradientNorms norms = gradient_norms(optimizer_.parameters());
  if (options_.training.layer_grad_norms)
    for (const auto& [layer, norm] : norms.by_layer)
      window_.add("grad_norm/" + layer, algorithm::Metric::mean(norm, 1));
  return norms.total;
}

void Trainer::guard(const Update& update) {
  if (std::isfinite(update.loss) && std::isfinite(update.grad_norm)) return;
  say(profile_.finish());
  const std::string path = folder_.path() + "/bad_batch.jsonl";
  if (folder_.writes()) write_bad_batch(path, terms_, options_.tokenizer);
  core::fail_run(
      "update {}: the loss is {} and the gradient norm {}. The batch is in {}; the weights are those of the "
      "last checkpoint. A smaller training.learning_rate, or a look at these rows, is what helps most often",
      done_ + 1, in_words(update.loss), in_words(update.grad_norm), path);
}

Evaluation Trainer::evaluate() {
  const Phase phase("evaluation");
  const PublishedWeights published(hooks_, optimizer_);
  return attune::training::evaluate(terms_, engine_, options_.training, model_.config());
}

void Trainer::keep(Evaluation evaluation) {
  if (evaluation.by_prompt.is_null()) return;
  core::Json line = {{"step", done_}};
  line.update(evaluation.by_prompt);
  const std::int64_t kept[] = {0, judge_.best_update()};
  folder_.put_evaluation(line, kept);
}

bool Trainer::due(std::int64_t every, bool otherwise) const {
  return done_ == total_ || (every > 0 ? done_ % every == 0 : otherwise);
}

void Trainer::write_row(const core::Json& row) {
  if (!folder_.writes()) return;
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
  const core::Json measured = window_.row();
  core::Json row = {{"step", done_},
                    {"epoch", terms_.front().steps->epoch()},
                    {"loss", measured.at("loss")},
                    {"grad_norm", measured.at("grad_norm")},
                    {"learning_rate", options_.learning_rate * schedule_->factor(done_ - 1)},
                    {"num_tokens", num_tokens_},
                    {"computed_tokens", computed_tokens_},
                    {"tokens_per_second", measured.at("tokens_per_second")},
                    {"step_seconds", measured.at("step_seconds")},
                    {"peak_rss_mb", core::peak_rss_mb()}};
  row.update(measured);
  row.update(evaluation);
  window_.clear();
  write_row(row);
}

void Trainer::evaluate_start() {
  if (observer_.on_samples) observer_.on_samples(0);
  if (!has_eval()) return;
  Evaluation evaluation = evaluate();
  judge_.require(evaluation.row);
  core::Json row = {{"step", 0}, {"epoch", 0.0}};
  row.update(evaluation.row);
  keep(std::move(evaluation));
  write_row(row);
}

std::int64_t Trainer::total_evaluations() const {
  if (!has_eval()) return 0;
  const auto& training = options_.training;
  const std::int64_t every = training.eval_steps > 0   ? training.eval_steps
                             : training.save_steps > 0 ? training.save_steps
                                                       : terms_.front().steps->steps_per_epoch() *
                                                             terms_.front().steps->use().updates();
  return (total_ + every - 1) / std::max<std::int64_t>(1, every);
}

bool Trainer::has_eval() const {
  return std::any_of(terms_.begin(), terms_.end(), [](const MethodTerm& t) { return t.eval.has_value(); });
}

void Trainer::conclude() {
  owes_conclusion_ = false;
  const bool save_now = due(options_.training.save_steps, epoch_ended_), save = save_now || owes_checkpoint_;
  const bool judge = has_eval() && due(options_.training.eval_steps, save_now);
  Evaluation evaluation = judge ? evaluate() : Evaluation{core::Json::object(), nullptr};
  const core::Json measured = std::move(evaluation.row);
  const bool best = judge && judge_.consider(measured, done_), give_up = judge_.out_of_patience();
  keep(std::move(evaluation));
  if (due(options_.training.logging_steps, false) || judge) log(measured);
  if (judge) schedule_->observe(judge_.value_in(measured));  // the line above has the rate that was used
  owes_checkpoint_ = save || give_up || (best && options_.training.save_best);
  if (owes_checkpoint_ && (between_steps() || done_ == total_)) save_checkpoint();
  if (give_up && done_ < total_)
    say(fmt::format("stopped after {} of {} updates: eval_{} has not improved for {} evaluations", done_,
                    total_, judge_.metric(), judge_.misses()));
}

std::string Trainer::progress_text(const Update& update) const {
  const double speed = static_cast<double>(session_tokens_) / std::max(session_seconds_, 1e-9);
  return fmt::format("loss {:.4f}  {} tokens/s", update.loss, core::human_count(std::llround(speed)));
}

void Trainer::run() {
  if (folder_.writes()) {
    if (done_ > 0) EventFile::drop_after(folder_.path(), done_);
    events_ = std::make_unique<EventFile>(folder_.path());
  }
  if (done_ == 0) evaluate_start();
  if (owes_conclusion_) conclude();
  while (done_ < total_ && !judge_.out_of_patience()) {
    const double before = terms_.front().steps->epoch();
    profile_.before_update();
    const auto start = Clock::now();
    const Update update = update_once();
    const double seconds = seconds_since(start);
    say(profile_.after_update());
    window_.add_update(update.loss, update.grad_norm, update.tokens, seconds);
    session_seconds_ += seconds;
    session_tokens_ += update.tokens;
    epoch_ended_ = std::floor(terms_.front().steps->epoch()) > std::floor(before);
    if (observer_.on_update) observer_.on_update(done_, total_, progress_text(update));
    // A signal reaches processes at different times: they stop together, after the same update.
    if (observer_.interrupted && between_steps() && options_.group.any(observer_.interrupted())) interrupt();
    conclude();
    const double minutes = options_.training.save_minutes;
    if (minutes > 0 && done_ < total_ && between_steps() && seconds_since(saved_) > 60 * minutes)
      save_checkpoint();
  }
  say(profile_.finish());
  optimizer_.require_finite(done_);
}

void Trainer::interrupt() {
  owes_conclusion_ = true;
  save_checkpoint();
  options_.group.any(false);  // the others wait until it is written: when one ends, all may be ended
  say(profile_.finish());
  throw core::Error(
      core::ErrorCode::kInterrupted,
      fmt::format("interrupted; saved after update {} of {}. The same command continues", done_, total_));
}

void Trainer::say(const std::string& line) const {
  if (observer_.on_message && !line.empty()) observer_.on_message(line);
}

std::string Trainer::best_checkpoint() const {
  const std::int64_t best = judge_.best_update();
  return options_.training.save_best && best >= 0 ? folder_.checkpoint_path(best) : "";
}

void Trainer::prune() { folder_.prune_checkpoints(options_.training.save_total_limit, best_checkpoint()); }

void Trainer::save_checkpoint() {
  const Phase phase("checkpoint");
  optimizer_.require_finite(done_);
  if (folder_.writes())
    attune::training::save_checkpoint(folder_.checkpoint_path(done_), model_, optimizer_, hooks_, state());
  saved_ = Clock::now();
  owes_checkpoint_ = false;
  prune();
}

core::Json Trainer::state() const {
  core::Json terms = core::Json::array();
  for (const auto& term : terms_) terms.push_back({{"cursor", term.steps->cursor()}, {"state", term.state}});
  return {{"update", done_},
          {"total", total_},
          {"optimizer_steps", optimizer_.steps()},
          {"num_tokens", num_tokens_},
          {"computed_tokens", computed_tokens_},
          {"judge", judge_.state()},
          {"schedule", schedule_->state()},
          {"owes_conclusion", owes_conclusion_},
          {"epoch_ended", epoch_ended_},
          {"terms", terms},
          {"window", window_.state()}};
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

std::string Trainer::extended() const {
  if (judge_.out_of_patience())
    return fmt::format(
        "resume=extend: nothing more is trained, for the run ended because eval_{} had not improved for {} "
        "evaluations (training.early_stopping_patience)",
        judge_.metric(), judge_.misses());
  if (total_ == total_before_ || done_ == 0 || done_ >= total_) return "";
  const auto& training = options_.training;
  const auto before =
      make_schedule(schedule_of(training, options_.learning_rate, total_before_, judge_.lower_is_better()));
  const double next = schedule_->factor(done_),
               last = schedule_info(training.schedule).follows_evaluation ? next : before->factor(done_ - 1);
  return fmt::format(
      "resume=extend: {} updates instead of {}, and training.schedule={} is that of the whole: update {} has "
      "the "
      "learning rate {:.3g}, the one before it had {:.3g}",
      total_, total_before_, training.schedule, done_ + 1, options_.learning_rate * next,
      options_.learning_rate * last);
}

std::int64_t Trainer::take_result() {
  const std::string best = best_checkpoint();
  if (!best.empty()) load_checkpoint(best, optimizer_, hooks_);
  for (const auto& hook : hooks_) hook->exchange(optimizer_);
  if (observer_.on_samples) observer_.on_samples(done_);
  return best.empty() ? done_ : judge_.best_update();
}

void Trainer::restore_state(const core::Json& state, const std::string& where) {
  if (state.at("terms").size() != terms_.size()) core::fail_request("{}: made by another recipe", where);
  done_ = state.at("update");
  total_before_ = state.at("total");
  num_tokens_ = state.at("num_tokens");
  computed_tokens_ = state.at("computed_tokens");
  judge_.restore(state.at("judge"));
  schedule_->restore(state.at("schedule"));
  owes_conclusion_ = state.at("owes_conclusion");
  epoch_ended_ = state.at("epoch_ended");
  for (std::size_t i = 0; i < terms_.size(); ++i) {
    terms_[i].steps->seek(state.at("terms")[i].at("cursor"), where);
    terms_[i].state = state.at("terms")[i].at("state").get<algorithm::State>();
  }
  window_.restore(state.at("window"));
}

}  // namespace attune::training
