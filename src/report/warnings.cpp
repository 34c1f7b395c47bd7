#include "report/findings.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "report/gradients.h"

namespace attune::report {
namespace {

class Warnings {
 public:
  explicit Warnings(const ReportInput& input) : input_(input) {}

  void state() {
    const auto& run = input_.run;
    if (!run.is_object() || !run.contains("state") || !run["state"].is_string()) return;
    const auto name = run["state"].get<std::string>();
    if (name == "failed") add("The run failed before its end; the numbers stop where it stopped.");
    if (name == "running") add("The run is not finished: this page shows how far it has come.");
  }

  void not_numbers() {
    std::string names;
    std::size_t count = 0;
    for (const auto& series : input_.metrics.all()) {
      const auto bad =
          std::ranges::count_if(series.values, [](double value) { return !std::isfinite(value); });
      if (bad == 0 || ++count > 4) continue;
      names +=
          fmt::format("{}{} ({} of {})", names.empty() ? "" : ", ", series.name, bad, series.values.size());
    }
    if (count > 0) add("Not a number at some steps: " + names + (count > 4 ? ", and others." : "."));
  }

  void distance() {
    const Series* kl = find("kl");
    if (kl == nullptr) return;
    // Where completions are sampled, kl is a mean over tokens; elsewhere an estimate for whole completions.
    const bool per_token = find("completions/mean_length") != nullptr;
    const double limit = per_token ? 0.5 : 20, end = late_mean(*kl);
    if (end > limit) {
      add(fmt::format(
          "The model has moved far from its start: KL {} nats{}. Look at the samples for text that pleases "
          "the reward and nobody else; a larger beta or a smaller learning rate holds it closer.",
          readable(end), per_token ? " a token" : ""));
    }
  }

  void contrast() {
    const Series* flat = find("frac_reward_zero_std");
    if (flat != nullptr && late_mean(*flat) > 0.5) {
      add(fmt::format(
          "In {} % of the last groups all completions had the same reward: they teach nothing. Harder or "
          "easier prompts, more samples, or a finer reward would help.",
          readable(std::round(100 * late_mean(*flat)))));
    }
    const Series* spread = find("reward_std");
    if (spread != nullptr && !spread->values.empty() &&
        std::ranges::all_of(spread->values, [](double value) { return value == 0; })) {
      add("All rewards were equal at every step: there was nothing to learn from.");
    }
    const Series* right = find("rewards/accuracies");
    if (right != nullptr && right->values.size() >= 10 && late_mean(*right) < 0.5) {
      add(fmt::format(
          "At the end the model still ranks only {} % of the pairs as the data do; chance is 50 %.",
          readable(std::round(100 * late_mean(*right)))));
    }
  }

  void completions() {
    const Series* cut = find("completions/clipped_ratio");
    if (cut != nullptr && late_mean(*cut) > 0.25) {
      add(fmt::format(
          "{} % of the last completions were cut off at the length limit, and judged unfinished. Raise "
          "rollout.max_new_tokens or reward brevity.",
          readable(std::round(100 * late_mean(*cut)))));
    }
    const Series* clip = find("clip_ratio/region_mean");
    if (clip != nullptr && late_mean(*clip) > 0.3) {
      add("More than 30 % of the tokens hit the clipping bound: the steps are larger than the method means "
          "them to be.");
    }
    const Series* entropy = find("entropy");
    if (entropy != nullptr && entropy->values.size() >= 10 &&
        late_mean(*entropy) < 0.2 * early_mean(*entropy)) {
      add("Entropy fell to less than a fifth: the model has become very sure of itself, and its samples much "
          "alike.");
    }
  }

  /// Methods on pairs can win their margin and lose the model.
  void pairs() {
    if (pairs_are_told_apart()) {
      const auto& loss = *find("loss");
      const auto at = std::ranges::find_if(loss.values, [&](double value) { return nothing_left(value); });
      add(fmt::format(
          "The loss fell below 1 % of its first value by step {} of {}: the pairs are told apart completely, "
          "and the rest of the run had nothing to learn from them. A smaller learning rate or fewer epochs "
          "keeps the model nearer to its start.",
          readable(loss.steps[static_cast<std::size_t>(at - loss.values.begin())]),
          readable(loss.steps.back())));
    }
    const Series *likelihood = find("logps/chosen"), *reward = find("rewards/chosen");
    if (likelihood == nullptr || reward == nullptr || likelihood->values.size() < 10) return;
    // Batches differ in length, which moves the log-probability, but not the reward, which is relative.
    const double first = likelihood->values.front(), end = late_mean(*likelihood);
    if (late_mean(*reward) < 0 && end < 1.5 * first && first < 0) {
      add(fmt::format(
          "The chosen completions lost most of their likelihood: log-probability {} at first, {} at the end. "
          "The model moved away from both answers, towards text that nobody wrote. A smaller learning rate "
          "or a larger beta holds it.",
          readable(first), readable(end)));
    }
  }

  /// A loss that stands still to the third digit: noise alone would move that of real learning more.
  void standstill() {
    const Series* loss = find("loss");
    if (loss == nullptr || loss->values.size() < 5 || find("reward") != nullptr) return;
    const auto [low, high] = std::ranges::minmax_element(loss->values);
    if (std::isfinite(*low) && std::isfinite(*high) && *high - *low < 1e-3 * std::abs(*high))
      add(
          fmt::format("The loss stayed at {}: next to nothing was learnt. A larger learning rate (LoRA takes "
                      "about ten times that of "
                      "full training) or more updates would be needed.",
                      readable(*high)));
  }

  void learning() {
    const Series* loss = find("loss");
    if (loss != nullptr && loss->values.size() >= 20 && find("reward") == nullptr) {
      const double first = loss->values.front(), early = early_mean(*loss), end = late_mean(*loss);
      if (end > early + std::abs(early) * 0.02 || end > first + std::abs(first) * 0.5)
        add("The loss ended higher than it began. A smaller learning rate is the first thing to try.");
    }
    const Series* held_out = find("eval_loss");
    if (held_out != nullptr && held_out->values.size() >= 3) {
      const auto best = std::ranges::min_element(held_out->values);
      const double last = held_out->values.back();
      if (std::isfinite(*best) && last - *best > 0.05 * std::abs(*best)) {
        const auto at = static_cast<std::size_t>(best - held_out->values.begin());
        add(fmt::format(
            "On held-out data the loss was best at step {} ({}) and has risen to {} since: the run may have "
            "gone on too long for the data.",
            readable(held_out->steps[at]), readable(*best), readable(last)));
      }
    }
  }

  void gradients() {
    const Series* norm = find("grad_norm");
    // Where nothing is left to learn the median is next to nothing.
    if (norm == nullptr || norm->values.size() < 20 || pairs_are_told_apart()) return;
    std::vector<double> sorted;
    std::ranges::copy_if(norm->values, std::back_inserter(sorted),
                         [](double value) { return std::isfinite(value); });
    if (sorted.empty()) return;
    std::ranges::sort(sorted);
    const double median = sorted[sorted.size() / 2];
    if (median > 0 && sorted.back() > 50 * median) {
      const auto at = std::ranges::find(norm->values, sorted.back()) - norm->values.begin();
      const double step = norm->steps[static_cast<std::size_t>(at)];
      const std::string layer = loudest_layer(input_.metrics, step);
      add(
          fmt::format("The gradient spiked to {} at step {}, {} times its median{}: one batch differs much "
                      "from the rest.",
                      readable(sorted.back()), readable(step), readable(std::round(sorted.back() / median)),
                      layer.empty() ? "" : ", most of it in " + layer));
    }
  }

  std::vector<std::string> take() { return std::move(texts_); }

 private:
  const Series* find(std::string_view name) const { return input_.metrics.find(name); }
  bool nothing_left(double loss) const { return loss < 0.01 * find("loss")->values.front(); }
  /// Of losses that begin at log 2, as every logistic one does; others may have met a target that is zero.
  bool pairs_are_told_apart() const {
    const Series* loss = find("loss");
    return loss != nullptr && find("rewards/margins") != nullptr && loss->values.size() >= 10 &&
           std::abs(loss->values.front() - std::numbers::ln2) <= 0.05 && nothing_left(late_mean(*loss));
  }
  void add(std::string text) { texts_.push_back(std::move(text)); }

  const ReportInput& input_;
  std::vector<std::string> texts_;
};

}  // namespace

std::vector<std::string> warnings_of(const ReportInput& input) {
  Warnings warnings(input);
  warnings.state();
  warnings.not_numbers();
  warnings.distance();
  warnings.contrast();
  warnings.completions();
  warnings.pairs();
  warnings.standstill();
  warnings.learning();
  warnings.gradients();
  return warnings.take();
}

}  // namespace attune::report
