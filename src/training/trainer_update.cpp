// One update: every method learns from its part of a step, and the optimizer moves the weights.
#include <algorithm>
#include <cmath>
#include <span>

#include "core/error.h"
#include "training/optimizer/gradient_norms.h"
#include "training/optimizer/gradient_sum.h"
#include "training/run/output/bad_batch.h"
#include "training/step/phase.h"
#include "training/trainer.h"

namespace attune::training {
namespace {

/// "no number" and not "-nan", of which nobody can tell whose it is.
std::string in_words(double value) {
  if (std::isnan(value)) return "no number";
  return std::isinf(value) ? (value > 0 ? "infinite" : "minus infinite") : fmt::format("{:.6g}", value);
}

/// What helps against a loss that is no number.
std::string advice(std::span<const MethodTerm> terms) {
  constexpr double kUsual = 1e4;
  double largest = 0;
  for (const MethodTerm& term : terms) {
    if (term.progress.between_steps()) continue;
    for (const auto& candidate : term.progress.prepared().step.candidates)
      largest = std::max(largest, std::abs(candidate.reward.value_or(0)));
  }
  if (largest > kUsual)
    return fmt::format(
        "Its rewards reach {:g}, and gradients grow with them: divide all rewards by the same factor, to "
        "about 1 in size",
        largest);
  return "A smaller training.learning_rate, or a look at these rows, is what helps most often";
}

}  // namespace

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
    for (const auto& [name, metric] : part->result.metrics)
      metrics[named(terms_.size(), term.name, name)] = metric;
    update.tokens += part->tokens;
    computed_tokens_ += part->result.computed_tokens;
  }
  for (const auto& [name, metric] : metrics) window_.add(name, metric);
  sum_gradients(optimizer_.parameters(), options_.processes);
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
  const auto kept = folder_.newest_checkpoint();
  core::fail_run(
      "update {}: the loss is {} and the gradient norm {}. The batch is in {}; {}. {}",
      done_ + 1, in_words(update.loss), in_words(update.grad_norm), path,
      kept ? "the last weights that were kept are in " + *kept
           : "there was no checkpoint yet, so no weights are kept",
      advice(terms_));
}

}  // namespace attune::training
