#include "training/trainer.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "training/optimizer/parameter_groups.h"

namespace attune::training {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

std::vector<OptimizedParameter> optimized(model::Model& model, const TrainingOptions& options, double peak) {
  return optimized_parameters(model.trainable(), parameter_rules(options.parameter_groups),
                              options.weight_decay, peak);
}

}  // namespace

Trainer::Trainer(model::Model& model, FrozenModels frozen, std::vector<MethodTerm> terms, Hooks hooks,
                 TrainerOptions options, RunFolder& folder, Observer observer)
    : model_(model),
      terms_(std::move(terms)),
      options_(std::move(options)),
      folder_(folder),
      observer_(std::move(observer)),
      engine_(model, std::move(frozen), options_.engine, options_.processes),
      optimizer_(optimized(model, options_.training, options_.learning_rate),
                 {options_.training.adam_beta1, options_.training.adam_beta2, options_.training.adam_epsilon,
                  options_.training.max_grad_norm}),
      hooks_(std::move(hooks)),
      profile_(folder.path() + "/profile", folder.writes() ? options_.training.profile : 0),
      judge_(options_.metric, options_.training.early_stopping_patience) {
  total_ = attune::training::total_updates(terms_, options_.training);
  schedule_ = schedule_over(total_);
}

std::unique_ptr<Schedule> Trainer::schedule_over(std::int64_t total) const {
  const TrainingOptions& options = options_.training;
  const std::int64_t by_ratio = std::llround(std::ceil(options.warmup_ratio * static_cast<double>(total)));
  return make_schedule({.name = options.schedule,
                        .warmup_steps = options.warmup_steps > 0 ? options.warmup_steps : by_ratio,
                        .total_steps = total,
                        .min_lr_ratio = options.min_lr_ratio,
                        .num_cycles = options.num_cycles,
                        .power = options.power,
                        .peak = options_.learning_rate,
                        .decay_steps = options.decay_steps,
                        .plateau_factor = options.plateau_factor,
                        .plateau_threshold = options.plateau_threshold,
                        .plateau_patience = options.plateau_patience,
                        .plateau_cooldown = options.plateau_cooldown,
                        .lower_is_better = judge_.lower_is_better()});
}

bool Trainer::between_steps() const {
  return std::ranges::all_of(terms_, [](const MethodTerm& term) { return term.progress.between_steps(); });
}

void Trainer::run() {
  if (folder_.writes()) {
    if (done_ > 0) EventFile::drop_after(folder_.path(), done_);
    events_ = std::make_unique<EventFile>(folder_.path());
  }
  if (done_ == 0) evaluate_start();
  if (owes_conclusion_) conclude();
  if (observer_.on_begin && done_ < total_ && !judge_.out_of_patience()) observer_.on_begin(done_, total_);
  while (done_ < total_ && !judge_.out_of_patience()) {
    const double before = terms_.front().steps->epoch();
    profile_.before_update();
    const auto start = Clock::now();
    const Update update = update_once();
    const double seconds = seconds_since(start);
    say(profile_.after_update());
    window_.add_update(update.loss, update.grad_norm, update.tokens, seconds);
    session_tokens_ += update.tokens;
    epoch_ended_ = std::floor(terms_.front().steps->epoch()) > std::floor(before);
    if (observer_.on_update)
      observer_.on_update(done_, fmt::format("loss {:.4f}", update.loss), session_tokens_);
    // A signal reaches processes at different times: they stop together, after the same update.
    if (observer_.interrupted && between_steps() && options_.processes.any(observer_.interrupted()))
      interrupt();
    conclude();
    const double minutes = options_.training.save_minutes;
    if (minutes > 0 && done_ < total_ && between_steps() && seconds_since(saved_) > 60 * minutes)
      save_checkpoint();
  }
  say(profile_.finish());
  optimizer_.require_finite(done_);
}

void Trainer::say(const std::string& line) const {
  if (observer_.on_message && !line.empty()) observer_.on_message(line);
}

}  // namespace attune::training
