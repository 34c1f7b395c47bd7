#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>

#include "report/finding/findings.h"
#include "report/finding/tail.h"
#include "report/finding/warnings.h"
#include "report/run/layer_norms.h"
#include "report/run/settings.h"

namespace attune::report {
namespace {

void state(const ReportInput& input, std::vector<std::string>& texts) {
  const auto& run = input.run;
  if (const std::string reason = failure_of(input); !reason.empty())
    texts.push_back("The run failed before its end, and the numbers stop where it stopped: " + reason + ".");
  if (run.is_object() && run.contains("state") && run["state"] == "running")
    texts.push_back("The run is not finished: this page shows how far it has come.");
}

void not_numbers(const ReportInput& input, std::vector<std::string>& texts) {
  std::string names;
  std::size_t count = 0;
  for (const auto& series : input.metrics.all()) {
    const auto bad = std::ranges::count_if(series.values, [](double value) { return !std::isfinite(value); });
    if (bad == 0 || ++count > 4) continue;
    names +=
        fmt::format("{}{} ({} of {})", names.empty() ? "" : ", ", series.name, bad, series.values.size());
  }
  if (count > 0)
    texts.push_back("Not a number at some steps: " + names + (count > 4 ? ", and others." : "."));
}

void distance(const ReportInput& input, std::vector<std::string>& texts) {
  const Series* kl = input.metrics.find("kl");
  if (kl == nullptr) return;
  // Where completions are sampled, kl is a mean over tokens; elsewhere an estimate for whole completions.
  const bool per_token = input.metrics.find("completions/mean_length") != nullptr;
  const double limit = per_token ? 0.5 : 20, end = late_mean(*kl);
  if (end > limit) {
    texts.push_back(fmt::format(
        "The model has moved far from its start: KL {} nats{}. Look at the samples for text that pleases "
        "the reward and nobody else; {} holds it closer.",
        readable(end), per_token ? " a token" : "", what_holds_closer(input)));
  }
}

void contrast(const ReportInput& input, std::vector<std::string>& texts) {
  if (const Series* flat = input.metrics.find("frac_reward_zero_std")) {
    const TailShare share = tail_share(input, *flat, Case::kRecord);
    if (share.value > 0.5)
      texts.push_back(share.text("groups") +
                      ": there all completions had the same reward, and they teach nothing. Harder or easier "
                      "prompts, more completions of each, or a finer reward would help.");
  }
  const Series* spread = input.metrics.find("reward_std");
  if (spread != nullptr && !spread->values.empty() &&
      std::ranges::all_of(spread->values, [](double value) { return value == 0; })) {
    texts.push_back("All rewards were equal at every step: there was nothing to learn from.");
  }
}

void completions(const ReportInput& input, std::vector<std::string>& texts) {
  if (const Series* cut = input.metrics.find("completions/clipped_ratio")) {
    const TailShare share = tail_share(input, *cut, Case::kCompletion);
    if (share.value > 0.25)
      texts.push_back(share.text("completions") + " were cut off at a length limit, and judged unfinished" +
                      (Settings(input.recipe).samples_itself()
                           ? "."
                           : ": data.max_length cut them, or the data say that they were cut."));
  }
  const Series* clip = input.metrics.find("clip_ratio/region_mean");
  if (clip != nullptr && late_mean(*clip) > 0.3) {
    texts.push_back(
        fmt::format("{} % of the tokens of the last steps hit the clipping bound: the steps are "
                    "larger than the method means them to be.",
                    readable(std::round(100 * late_mean(*clip)))));
  }
  const Series* entropy = input.metrics.find("entropy");
  if (entropy != nullptr && entropy->values.size() >= 10 &&
      late_mean(*entropy) < 0.2 * early_mean(*entropy)) {
    texts.push_back(
        fmt::format("Entropy fell from {} in the first steps to {} in the last: the model has become "
                    "very sure of itself, and its samples much alike.",
                    readable(early_mean(*entropy)), readable(late_mean(*entropy))));
  }
}

void gradients(const ReportInput& input, std::vector<std::string>& texts) {
  const Series* norm = input.metrics.find("grad_norm");
  // Where nothing is left to learn the median is next to nothing.
  if (norm == nullptr || norm->values.size() < 20 || pairs_are_told_apart(input)) return;
  std::vector<double> sorted;
  std::ranges::copy_if(norm->values, std::back_inserter(sorted),
                       [](double value) { return std::isfinite(value); });
  if (sorted.empty()) return;
  std::ranges::sort(sorted);
  const double median = sorted[sorted.size() / 2];
  if (median <= 0 || sorted.back() <= 50 * median) return;
  const auto at = std::ranges::find(norm->values, sorted.back()) - norm->values.begin();
  const double step = norm->steps[static_cast<std::size_t>(at)];
  const std::string layer = loudest_layer(input.metrics, step);
  texts.push_back(
      fmt::format("The gradient spiked to {} at step {}, {} times its median over {} steps{}: one batch "
                  "differs much from the rest.",
                  readable(sorted.back()), readable(step), readable(std::round(sorted.back() / median)),
                  sorted.size(), layer.empty() ? "" : ", most of it in " + layer));
}

}  // namespace

std::string what_holds_closer(const ReportInput& input) {
  const bool beta = Settings(input.recipe).find("method.beta") != nullptr;
  return beta ? "a larger method.beta or a smaller training.learning_rate"
              : "a smaller training.learning_rate";
}

std::vector<std::string> warnings_of(const ReportInput& input) {
  std::vector<std::string> texts;
  state(input, texts);
  not_numbers(input, texts);
  add_stall_warnings(input, texts);
  distance(input, texts);
  contrast(input, texts);
  completions(input, texts);
  add_learning_warnings(input, texts);
  gradients(input, texts);
  return texts;
}

}  // namespace attune::report
