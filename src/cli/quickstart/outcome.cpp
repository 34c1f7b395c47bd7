#include "cli/quickstart/outcome.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "statistics/intervals.h"

namespace attune::cli {
namespace {

double mean(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

/// The mean reward of each opening: openings are what is sampled, so they are what the interval is over.
std::vector<double> opening_rewards(const Stories& stories) {
  std::vector<double> rewards;
  for (const auto& group : stories) {
    double sum = 0;
    for (const Story& story : group) sum += story.reward;
    rewards.push_back(sum / static_cast<double>(group.size()));
  }
  return rewards;
}

/// The share of each opening's stories that are judged better than the story before; ties count half.
std::vector<double> opening_wins(const Stories& before, const Stories& after) {
  std::vector<double> shares;
  for (std::size_t i = 0; i < before.size(); ++i) {
    std::vector<double> old_rewards, new_rewards;
    for (const Story& story : before[i]) old_rewards.push_back(story.reward);
    for (const Story& story : after[i]) new_rewards.push_back(story.reward);
    shares.push_back(statistics::win_rate(old_rewards, new_rewards, 1e-9).value);
  }
  return shares;
}

double logp_per_token(const std::vector<Likelihood>& likelihoods) {
  double logp = 0, tokens = 0;
  for (const auto& one : likelihoods) logp += one.logp, tokens += static_cast<double>(one.tokens);
  return logp / tokens;
}

Measured measure_side(const Stories& stories, const std::vector<Likelihood>& ordinary) {
  std::vector<double> lengths, finished;
  std::vector<std::vector<std::int32_t>> texts;
  for (const auto& group : stories)
    for (const Story& story : group) {
      lengths.push_back(static_cast<double>(story.sample.ids.size()));
      finished.push_back(story.sample.finish_reason == "stop" ? 1 : 0);
      texts.push_back(story.sample.ids);
    }
  return {mean(opening_rewards(stories)), mean(lengths), statistics::distinct_n(texts, 2), mean(finished),
          logp_per_token(ordinary)};
}

double mean_log_ratio(const std::vector<Likelihood>& itself, const std::vector<Likelihood>& start) {
  double sum = 0;
  for (std::size_t i = 0; i < itself.size(); ++i) sum += itself[i].logp - start[i].logp;
  return sum / static_cast<double>(itself.size());
}

std::size_t upper_quartile(const std::vector<double>& before, const std::vector<double>& after) {
  std::vector<std::size_t> order(before.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return after[a] - before[a] < after[b] - before[b]; });
  return order[order.size() * 3 / 4];
}

}  // namespace

core::Json Measured::to_json() const {
  return {{"reward", reward},
          {"length", length},
          {"distinct_2", distinct_2},
          {"finished", finished},
          {"ordinary_logp", ordinary_logp}};
}

Outcome measure(const OutcomeInput& input) {
  Outcome outcome;
  outcome.before = measure_side(input.before, input.ordinary_before);
  outcome.after = measure_side(input.after, input.ordinary_after);
  const auto before = opening_rewards(input.before), after = opening_rewards(input.after);
  const auto gain = statistics::paired_difference(before, after);
  outcome.gain = gain.value;
  outcome.gain_stderr = gain.standard_error;
  outcome.gain_low = gain.low;
  outcome.gain_high = gain.high;
  const auto wins = statistics::mean_estimate(opening_wins(input.before, input.after));
  outcome.win_rate = wins.value;
  outcome.win_low = std::max(0.0, wins.low);
  outcome.win_high = std::min(1.0, wins.high);
  outcome.openings = gain.count;
  outcome.kl = mean_log_ratio(input.after_under_itself, input.after_under_start);
  outcome.likelihood_change = std::expm1(outcome.after.ordinary_logp - outcome.before.ordinary_logp);
  outcome.shown = upper_quartile(before, after);
  return outcome;
}

core::Json Outcome::to_json(const core::Json& seconds) const {
  return {{"gain", gain},
          {"gain_stderr", gain_stderr},
          {"win_rate", win_rate},
          {"likelihood_change", likelihood_change},
          {"kl", kl},
          {"before", before.to_json()},
          {"after", after.to_json()},
          {"seconds", seconds}};
}

std::vector<report::HeadlineRow> Outcome::headline() const {
  using report::Better;
  constexpr double none = report::HeadlineRow::kNone;
  return {
      {"Mean reward", before.reward, after.reward, gain, gain_low, gain_high, "", Better::kHigher,
       "What the feedback gives for stories on openings that were not trained on; the interval is over "
       "openings.",
       openings, "openings"},
      {"Win rate", none, win_rate, none, win_low, win_high, "", Better::kHigher,
       "Share of stories that are judged better than the starting model's; ties count half. The interval is "
       "over openings.",
       openings, "openings"},
      {"KL to the start", none, kl, none, none, none, "nats", Better::kLower,
       "How far the model moved: mean of log π(story) − log π_start(story) over its own stories, "
       "both at the temperature that stories are written with."},
      {"Length", before.length, after.length, none, none, none, "tokens", Better::kNeither,
       "Mean story length."},
      {"Finished", before.finished, after.finished, none, none, none, "", Better::kHigher,
       "Share of stories that the model ended itself."},
      {"Distinct-2", before.distinct_2, after.distinct_2, none, none, none, "", Better::kHigher,
       "Different pairs of neighbouring tokens over all pairs: variety."},
      {"Ordinary stories, log p", before.ordinary_logp, after.ordinary_logp, none, none, none,
       "nats per token", Better::kHigher,
       "The tax: how likely the starting model's own stories on other openings still are, per token."}};
}

std::string Outcome::table() const {
  std::string text = fmt::format("  {:<28}{:>10}{:>10}   change\n", "", "before", "after");
  const auto row = [&](const char* name, double from, double to, int digits, const std::string& change) {
    text += fmt::format("  {:<28}{:>10.{}f}{:>10.{}f}   {}\n", name, from, digits, to, digits, change);
  };
  const auto single = [&](const char* name, const std::string& value, const std::string& note) {
    text += fmt::format("  {:<28}{:>10}{:>10}   {}\n", name, "", value, note);
  };
  row("mean reward", before.reward, after.reward, 3,
      fmt::format("{:+.3f}  95 % interval [{:+.3f}, {:+.3f}]", gain, gain_low, gain_high));
  single("win rate", fmt::format("{:.1f} %", 100 * win_rate),
         fmt::format("95 % interval [{:.1f}, {:.1f}]", 100 * win_low, 100 * win_high));
  single("KL to the start", fmt::format("{:.2f}", kl), "nats a story");
  row("length", before.length, after.length, 1, "tokens");
  row("finished", 100 * before.finished, 100 * after.finished, 1, "% of stories");
  row("distinct-2", before.distinct_2, after.distinct_2, 3, "");
  row("log p of ordinary stories", before.ordinary_logp, after.ordinary_logp, 3,
      fmt::format("{:+.1f} % likelihood of a token: the tax", 100 * likelihood_change));
  return text;
}

}  // namespace attune::cli
