#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "report/finding/findings.h"
#include "report/finding/tail.h"
#include "report/finding/warnings.h"
#include "report/run/settings.h"

namespace attune::report {
namespace {

bool nothing_left(const Series& loss, double value) { return value < 0.01 * loss.values.front(); }

/// Whether the table has evidence that something moved on held-out data.
bool something_moved(const ReportInput& input) {
  return std::ranges::any_of(headline_of(input), [](const HeadlineRow& row) {
    const std::string verdict = judgement(row);
    return verdict == "better" || verdict == "worse";
  });
}

bool held_out_loss_fell(const ReportInput& input) {
  return std::ranges::any_of(headline_of(input), [](const HeadlineRow& row) {
    return row.name.starts_with("Loss") && judgement(row) == "better";
  });
}

void told_apart(const ReportInput& input, std::vector<std::string>& texts) {
  if (!pairs_are_told_apart(input)) return;
  const auto& loss = *input.metrics.find("loss");
  const auto at = std::ranges::find_if(loss.values, [&](double value) { return nothing_left(loss, value); });
  texts.push_back(fmt::format(
      "The loss fell below 1 % of its first value by step {} of {}: the pairs are told apart completely, "
      "and the rest of the run had nothing to learn from them. A smaller training.learning_rate or fewer "
      "training.epochs keep the model nearer to its start.",
      readable(loss.steps[static_cast<std::size_t>(at - loss.values.begin())]), readable(loss.steps.back())));
}

/// Methods on pairs can win their margin and lose the model.
void lost_likelihood(const ReportInput& input, std::vector<std::string>& texts) {
  const Series *likelihood = input.metrics.find("logps/chosen"),
               *reward = input.metrics.find("rewards/chosen");
  if (likelihood == nullptr || reward == nullptr || likelihood->values.size() < 10) return;
  // Batches differ in length, which moves the log-probability, but not the reward, which is relative.
  const double first = likelihood->values.front(), end = late_mean(*likelihood);
  if (late_mean(*reward) < 0 && end < 1.5 * first && first < 0) {
    texts.push_back(fmt::format(
        "The chosen completions lost most of their likelihood: log-probability {} at first, {} at the end. "
        "The model moved away from both answers, towards text that nobody wrote: {} holds it.",
        readable(first), readable(end), what_holds_closer(input)));
  }
}

/// Pairs that are ranked the wrong way, beyond what chance makes of so few.
void wrong_order(const ReportInput& input, std::vector<std::string>& texts) {
  const Series* right = input.metrics.find("rewards/accuracies");
  if (right == nullptr || right->values.size() < 10) return;
  const TailShare share = tail_share(input, *right, Case::kPair);
  if (share.high() < 0.5)
    texts.push_back("At the end the model ranks only " + share.text("pairs") +
                    " as the data do; chance is half of them.");
}

/// A loss that stands still to the third digit: noise alone would move that of real learning more.
void standstill(const ReportInput& input, std::vector<std::string>& texts) {
  const Series* loss = input.metrics.find("loss");
  if (loss == nullptr || loss->values.size() < 5 || input.metrics.find("reward") != nullptr) return;
  const auto [low, high] = std::ranges::minmax_element(loss->values);
  if (!std::isfinite(*low) || !std::isfinite(*high) || *high - *low >= 1e-3 * std::abs(*high)) return;
  if (something_moved(input) || gradient_vanished(input)) return;
  const bool lora = Settings(input.recipe).text("adapter", "type") == "lora";
  texts.push_back(
      fmt::format("The loss stayed at {} over {} logged steps: next to nothing was learnt. A larger "
                  "training.learning_rate{} or more training.epochs would be needed.",
                  readable(*high), loss->values.size(),
                  lora ? " (LoRA takes about ten times that of full training)" : ""));
}

void rising_loss(const ReportInput& input, std::vector<std::string>& texts) {
  const Series* loss = input.metrics.find("loss");
  if (loss == nullptr || loss->values.size() < 20 || input.metrics.find("reward") != nullptr) return;
  const double first = loss->values.front(), early = early_mean(*loss), end = late_mean(*loss);
  const bool rose = end > early + std::abs(early) * 0.02 || end > first + std::abs(first) * 0.5;
  if (rose && !held_out_loss_fell(input))
    texts.push_back(
        fmt::format("The loss ended higher than it began: {} in the first steps, {} in the last. A "
                    "smaller training.learning_rate is the first thing to try.",
                    readable(early), readable(end)));
}

/// Whether the held-out loss of two steps differs by more than chance; unknown counts as yes.
bool rose_beyond_chance(const ReportInput& input, double best, double result) {
  const HeldOut* first = held_out_at(input.held_out, best);
  const HeldOut* last = held_out_at(input.held_out, result);
  if (first == nullptr || last == nullptr) return true;
  const auto change = held_out_change(*first, *last, "eval_loss", false);
  return !change || std::isnan(change->change.low) || change->change.low > 0;
}

void overfitting(const ReportInput& input, std::vector<std::string>& texts) {
  const Series* held_out = input.metrics.find("eval_loss");
  if (held_out == nullptr || held_out->values.size() < 3) return;
  const auto best = std::ranges::min_element(held_out->values);
  const auto at = static_cast<std::size_t>(best - held_out->values.begin());
  const double last = held_out->values.back();
  const auto& run = input.run;
  const bool kept =
      run.is_object() && run.contains("result_step") && run["result_step"] == held_out->steps[at];
  if (kept || !std::isfinite(*best) || !(last - *best > 0.05 * std::abs(*best))) return;
  if (!rose_beyond_chance(input, held_out->steps[at], held_out->steps.back())) return;
  texts.push_back(fmt::format(
      "On held-out data the loss was best at step {} ({}) and is {} at the end: the run may have gone on too "
      "long for the data. training.save_best=true keeps the best.",
      readable(held_out->steps[at]), readable(*best), readable(last)));
}

}  // namespace

bool pairs_are_told_apart(const ReportInput& input) {
  const Series* loss = input.metrics.find("loss");
  return loss != nullptr && input.metrics.find("rewards/margins") != nullptr && loss->values.size() >= 10 &&
         std::abs(loss->values.front() - std::numbers::ln2) <= 0.05 && nothing_left(*loss, late_mean(*loss));
}

void add_learning_warnings(const ReportInput& input, std::vector<std::string>& texts) {
  wrong_order(input, texts);
  told_apart(input, texts);
  lost_likelihood(input, texts);
  standstill(input, texts);
  rising_loss(input, texts);
  overfitting(input, texts);
}

}  // namespace attune::report
