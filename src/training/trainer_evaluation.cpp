// What follows an update: evaluations, who is the best so far, and lines of metrics.
#include <algorithm>

#include "core/system.h"
#include "training/step/phase.h"
#include "training/trainer.h"

namespace attune::training {

bool Trainer::has_eval() const {
  return std::any_of(terms_.begin(), terms_.end(), [](const MethodTerm& t) { return t.eval.has_value(); });
}

std::int64_t Trainer::total_evaluations() const {
  if (!has_eval()) return 0;
  const auto& training = options_.training;
  const std::int64_t asked = training.eval_steps == 0 ? training.save_steps : training.eval_steps;
  const auto& steps = *terms_.front().steps;
  const std::int64_t every = asked > 0 ? asked : steps.steps_per_epoch() * steps.use().updates();
  return (total_ + every - 1) / std::max<std::int64_t>(1, every);
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

void Trainer::conclude() {
  owes_conclusion_ = false;
  const std::int64_t every = options_.training.save_steps;
  const bool moment = due(every, epoch_ended_), save = (moment && every >= 0) || owes_checkpoint_;
  const std::int64_t judged = options_.training.eval_steps;
  const bool judge = has_eval() && due(judged, judged < 0 ? epoch_ended_ : moment);
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

bool Trainer::due(std::int64_t every, bool otherwise) const {
  return done_ == total_ || (every > 0 ? done_ % every == 0 : otherwise);
}

}  // namespace attune::training
