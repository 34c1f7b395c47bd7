// What a run leaves to be gone on with, and what it gives in the end.
#include "core/error.h"
#include "training/run/checkpoint/checkpoint.h"
#include "training/step/phase.h"
#include "training/trainer.h"

namespace attune::training {

void Trainer::save_checkpoint() {
  const Phase phase("checkpoint");
  optimizer_.require_finite(done_);
  if (folder_.writes())
    attune::training::save_checkpoint(folder_.checkpoint_path(done_), model_, optimizer_, hooks_, state());
  saved_ = std::chrono::steady_clock::now();
  owes_checkpoint_ = false;
  prune();
}

void Trainer::prune() { folder_.prune_checkpoints(options_.training.save_total_limit, best_checkpoint()); }

std::string Trainer::best_checkpoint() const {
  const std::int64_t best = judge_.best_update();
  return options_.training.save_best && best >= 0 ? folder_.checkpoint_path(best) : "";
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

std::string Trainer::extended() const {
  if (judge_.out_of_patience())
    return fmt::format(
        "resume=extend: nothing more is trained, for the run ended because eval_{} had not improved for {} "
        "evaluations (training.early_stopping_patience)",
        judge_.metric(), judge_.misses());
  if (total_ == total_before_ || done_ == 0 || done_ >= total_) return "";
  const auto& training = options_.training;
  const auto before = schedule_over(total_before_);
  const double next = schedule_->factor(done_),
               last = schedule_info(training.schedule).follows_evaluation ? next : before->factor(done_ - 1);
  return fmt::format(
      "resume=extend: {} updates instead of {}, and training.schedule={} is that of the whole: update {} has "
      "the learning rate {:.3g}, the one before it had {:.3g}",
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

void Trainer::interrupt() {
  owes_conclusion_ = true;
  save_checkpoint();
  options_.processes.any(false);  // the others wait until it is written: when one ends, all may be ended
  say(profile_.finish());
  throw core::Error(
      core::ErrorCode::kInterrupted,
      fmt::format("interrupted; saved after update {} of {}. The same command continues", done_, total_));
}

}  // namespace attune::training
