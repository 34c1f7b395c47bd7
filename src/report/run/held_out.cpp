#include "report/run/held_out.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace attune::report {
namespace {

/// Numbers of a list of that length (null is no number); empty for anything else.
std::vector<double> numbers_in(const core::Json& object, const char* key, std::size_t length) {
  std::vector<double> numbers;
  const auto list = object.find(key);
  if (list == object.end() || !list->is_array() || list->size() != length) return numbers;
  for (const auto& value : *list) numbers.push_back(value.is_number() ? value.get<double>() : std::nan(""));
  return numbers;
}

/// What stands before the name of a metric, "eval_" or "eval_dpo/" where methods train together; nothing for
/// other metrics.
std::optional<std::string> before_name(std::string_view metric, std::string_view name) {
  constexpr std::string_view kEval = "eval_";
  if (!metric.starts_with(kEval) || !metric.ends_with(name)) return std::nullopt;
  const auto before = metric.substr(0, metric.size() - name.size());
  const bool of_a_method = before.ends_with('/') && std::ranges::count(before, '/') == 1;
  if (before.size() > kEval.size() && !of_a_method) return std::nullopt;
  return std::string(before);
}

/// The metric whose sign an accuracy counts, "" for metrics that are no accuracies.
std::string margin_behind(std::string_view metric) {
  if (const auto before = before_name(metric, "rewards/accuracies")) return *before + "rewards/margins";
  if (const auto before = before_name(metric, "accuracy")) return *before + "margin";
  return "";
}

/// Gives pairs without a winner half a point and counts them. An accuracy of zero with a mean margin of zero
/// means that every pair of the prompt was a tie.
double share_ties(PromptNumbers& accuracy, const PromptNumbers& margin) {
  double ties = 0;
  for (std::size_t i = 0; i < std::min(accuracy.sums.size(), margin.sums.size()); ++i) {
    if (accuracy.sums[i] != 0 || margin.sums[i] != 0) continue;
    const double pairs = accuracy.counts.empty() ? 1 : accuracy.counts[i];
    accuracy.sums[i] = pairs / 2;
    ties += pairs;
  }
  return ties;
}

/// What each prompt adds to the margin of methods without pairs: the mean reward of good completions minus
/// that of bad ones. Empty where one of them is not there.
/// @param before the names, "eval_" included
std::vector<double> margin_contributions(const HeldOut& line, const std::string& before) {
  const auto good = line.metrics.find(before + "rewards/chosen"),
             bad = line.metrics.find(before + "rewards/rejected");
  if (good == line.metrics.end() || bad == line.metrics.end()) return {};
  auto added = statistics::cluster_contributions(good->second.all());
  const auto taken = statistics::cluster_contributions(bad->second.all());
  for (std::size_t i = 0; i < added.size(); ++i) added[i] -= taken[i];
  return added;
}

std::optional<HeldOutChange> change_of_unpaired_margin(const HeldOut& before, const HeldOut& after,
                                                       const std::string& names) {
  const auto old_side = margin_contributions(before, names), new_side = margin_contributions(after, names);
  if (before.data != after.data || old_side.empty() || old_side.size() != new_side.size())
    return std::nullopt;
  HeldOutChange change;
  change.before = statistics::mean_estimate(old_side).value;
  change.after = statistics::mean_estimate(new_side).value;
  change.change = statistics::paired_difference(old_side, new_side);
  return change;
}

}  // namespace

std::optional<HeldOut> read_held_out(const core::Json& line) {
  if (!line.is_object()) return std::nullopt;
  const auto step = line.find("step"), prompts = line.find("prompts"), metrics = line.find("metrics"),
             data = line.find("data");
  const bool whole = step != line.end() && step->is_number() && prompts != line.end() &&
                     prompts->is_number_unsigned() && metrics != line.end() && metrics->is_object() &&
                     data != line.end() && data->is_string();
  if (!whole) return std::nullopt;
  HeldOut read{step->get<double>(), data->get<std::string>(), {}};
  const auto length = prompts->get<std::size_t>();
  for (const auto& [name, lists] : metrics->items()) {
    if (!lists.is_object()) continue;
    PromptNumbers numbers{numbers_in(lists, "sums", length), numbers_in(lists, "counts", length)};
    if (numbers.sums.empty() || (lists.contains("counts") && numbers.counts.empty())) continue;
    read.metrics.emplace(name, std::move(numbers));
  }
  return read;
}

const HeldOut* held_out_at(std::span<const HeldOut> evaluations, double step) {
  const auto found = std::ranges::find(evaluations, step, &HeldOut::step);
  return found == evaluations.end() ? nullptr : &*found;
}

std::optional<HeldOutChange> held_out_change(const HeldOut& before, const HeldOut& after,
                                             std::string_view metric, bool shares) {
  const auto names = before_name(metric, "rewards/margins");
  if (names && !before.metrics.contains(metric)) return change_of_unpaired_margin(before, after, *names);
  const auto old_side = before.metrics.find(metric), new_side = after.metrics.find(metric);
  if (before.data != after.data || old_side == before.metrics.end() || new_side == after.metrics.end() ||
      old_side->second.sums.size() != new_side->second.sums.size())
    return std::nullopt;
  PromptNumbers old_numbers = old_side->second, new_numbers = new_side->second;
  HeldOutChange change;
  if (const auto margin = margin_behind(metric); !margin.empty()) {
    const auto old_margin = before.metrics.find(margin), new_margin = after.metrics.find(margin);
    if (old_margin != before.metrics.end() && new_margin != after.metrics.end()) {
      change.ties_before = share_ties(old_numbers, old_margin->second);
      change.ties_after = share_ties(new_numbers, new_margin->second);
    }
    change.pairs = old_numbers.counts.empty()
                       ? static_cast<double>(old_numbers.sums.size())
                       : std::accumulate(old_numbers.counts.begin(), old_numbers.counts.end(), 0.0);
  }
  change.before = old_numbers.all().mean();
  change.after = new_numbers.all().mean();
  change.change = statistics::clustered_change(old_numbers.all(), new_numbers.all(), shares);
  return change;
}

}  // namespace attune::report
