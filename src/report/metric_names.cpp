#include "report/metric_names.h"

#include <algorithm>

namespace attune::report {
namespace {

constexpr auto kHigher = Better::kHigher;
constexpr auto kLower = Better::kLower;
constexpr auto kNeither = Better::kNeither;

constexpr MetricGroup kGroups[] = {
    {"loss", "Learning", true},
    {"rewards", "Rewards", true},
    {"kl", "Distance from the start", true},
    {"lengths", "Completions", true},
    {"ratios", "Clipping and sampling", false},
    {"optimiser", "Optimiser", false},
    {"speed", "Speed and memory", false},
    {"other", "Other metrics", false},
};

// clang-format off
constexpr MetricName kMetrics[] = {
  // --- learning ---
  {"loss", "Loss", "", kLower, "loss", "",
   "What the optimiser makes smaller, as the method defines it. Compare it with itself only: losses of different methods share no scale."},
  {"nll_loss", "Likelihood part of the loss", "nats", kLower, "loss", "",
   "Mean negative log-probability of the chosen completions, the part of the loss that keeps them likely."},
  {"policy_loss", "Policy part of the loss", "", kLower, "loss", "",
   "The loss without its entropy, value and auxiliary parts."},
  {"value_loss", "Value part of the loss", "", kLower, "loss", "",
   "Squared error of the value head's predictions of the return."},
  {"aux_loss", "Router balance loss", "", kLower, "loss", "",
   "Load-balancing loss of a mixture of experts; it grows when few experts do all the work."},
  {"mean_token_accuracy", "Token accuracy", "fraction", kHigher, "loss", "",
   "How often the most likely next token is the one in the data."},
  {"accuracy", "Ranking accuracy", "fraction", kHigher, "loss", "",
   "Share of pairs in which the reward model scores the chosen completion above the rejected one; 0.5 is chance."},
  {"margin", "Score margin", "", kHigher, "loss", "",
   "Score of the chosen minus score of the rejected completion, as the reward model gives it."},
  // --- rewards ---
  {"reward", "Reward", "", kHigher, "rewards", "",
   "Mean reward of the sampled completions, all reward functions weighted and added. This is what the run is after."},
  {"reward_std", "Spread of the reward", "", kNeither, "rewards", "",
   "Standard deviation of the reward. At zero every sample is as good as the next, and nothing is left to learn from."},
  {"frac_reward_zero_std", "Groups without contrast", "fraction", kLower, "rewards", "",
   "Share of prompts whose samples all got the same reward. They teach nothing: too easy, too hard, or a reward too coarse."},
  {"frac_mean_not_positive", "Groups without a positive mean", "fraction", kLower, "rewards", "",
   "Share of prompts whose mean reward is 0 or below, which a method that divides by it (maxrl) learns nothing from."},
  {"rewards/margins", "Reward margin", "nats", kHigher, "rewards", "",
   "Implicit reward of the chosen minus that of the rejected completion. It rises as the model learns to tell them apart."},
  {"rewards/accuracies", "Preference accuracy", "fraction", kHigher, "rewards", "",
   "Share of pairs in which the chosen completion has the higher implicit reward; 0.5 is chance."},
  {"rewards/chosen", "chosen", "nats", kHigher, "rewards", "Implicit rewards",
   "Beta times the log-ratio to the reference of chosen completions: above zero, they became likelier than at the start."},
  {"rewards/rejected", "rejected", "nats", kLower, "rewards", "Implicit rewards",
   "The same for rejected completions. Both may fall together; what counts is that this one falls faster."},
  {"implicit_reward", "Implicit reward", "nats", kHigher, "rewards", "",
   "Beta times the log-ratio of policy and reference, on the policy's own samples."},
  {"advantage", "Advantage", "", kNeither, "rewards", "",
   "By how much a completion beats its baseline, on average; near zero by construction where the group is the baseline."},
  {"min_reward", "lowest", "", kNeither, "rewards", "Scores of the reward model",
   "Lowest score in the batch."},
  {"mean_reward", "mean", "", kNeither, "rewards", "Scores of the reward model",
   "Mean score in the batch. Only differences of scores mean something, so a slow drift is harmless."},
  {"max_reward", "highest", "", kNeither, "rewards", "Scores of the reward model",
   "Highest score in the batch."},
  {"rewards/*/mean", "", "", kHigher, "rewards", "",
   "Mean of one reward function over the sampled completions, before weighting."},
  {"rewards/*/std", "", "", kNeither, "rewards", "",
   "Standard deviation of one reward function over the sampled completions."},
  {"rewards/*", "", "", kNeither, "rewards", "",
   "A number that a reward function or program reports about the sampled completions."},
  // --- distance ---
  {"kl", "KL to the reference", "nats", kNeither, "kl", "",
   "How far the model has moved from where it began. Some is the price of learning; a steep rise means that it forgets what it knew."},
  {"objective/kl", "KL to the reference", "nats", kNeither, "kl", "",
   "How far the sampled completions have moved from the reference model, summed over a completion."},
  {"entropy", "Entropy", "nats", kNeither, "kl", "",
   "How undecided the model is about the next token. A collapse towards zero means that it says the same thing every time."},
  {"logps/chosen", "chosen", "nats", kNeither, "kl", "Log-probability of completions",
   "Log-probability of a whole chosen completion under the model being trained."},
  {"logps/rejected", "rejected", "nats", kNeither, "kl", "Log-probability of completions",
   "The same for rejected completions. When both sink, the model moves away from either, towards something unseen."},
  {"logits/chosen", "chosen", "", kNeither, "kl", "Mean logits",
   "Mean raw output over the vocabulary at the tokens of chosen completions; a scale check, nothing to optimise."},
  {"logits/rejected", "rejected", "", kNeither, "kl", "Mean logits",
   "The same for rejected completions."},
  {"log_odds_chosen", "Log odds ratio", "nats", kHigher, "kl", "",
   "Log odds of the chosen against the rejected completion, from length-normalised probabilities."},
  {"log_odds_ratio", "Log sigmoid of the odds ratio", "nats", kHigher, "kl", "",
   "log sigmoid of the log odds ratio: the preference part of the loss with its sign turned."},
  // --- completions ---
  {"completions/mean_length", "mean", "tokens", kNeither, "lengths", "Completion length",
   "Tokens per completion. If it grows while the reward does, the reward may simply like length."},
  {"completions/min_length", "shortest", "tokens", kNeither, "lengths", "Completion length",
   "The shortest completion of the step."},
  {"completions/max_length", "longest", "tokens", kNeither, "lengths", "Completion length",
   "The longest completion of the step."},
  {"completions/mean_terminated_length", "mean", "tokens", kNeither, "lengths", "Length of finished completions",
   "The same, counting only completions that ended by themselves."},
  {"completions/min_terminated_length", "shortest", "tokens", kNeither, "lengths", "Length of finished completions",
   "The shortest completion that ended by itself."},
  {"completions/max_terminated_length", "longest", "tokens", kNeither, "lengths", "Length of finished completions",
   "The longest completion that ended by itself."},
  {"completions/clipped_ratio", "Cut off", "fraction", kLower, "lengths", "",
   "Share of completions cut off at the length limit. The judge saw them unfinished."},
  {"tools/call_frequency", "Tool calls", "", kNeither, "lengths", "", "Tool calls per completion."},
  {"tools/failure_frequency", "Failed tool calls", "fraction", kLower, "lengths", "", "Share of tool calls that failed."},
  // --- ratios ---
  {"clip_ratio/region_mean", "either side", "fraction", kLower, "ratios", "Clipped tokens",
   "Share of tokens whose probability had moved too far for the update to count. High values: the step is too large."},
  {"clip_ratio/low_mean", "low side", "fraction", kLower, "ratios", "Clipped tokens",
   "Share of tokens clipped at the lower bound (made less likely)."},
  {"clip_ratio/low_min", "low side, least", "fraction", kLower, "ratios", "Clipped tokens",
   "The smallest share clipped at the lower bound among the parts of a step."},
  {"clip_ratio/high_mean", "high side", "fraction", kLower, "ratios", "Clipped tokens",
   "Share of tokens clipped at the upper bound (made likelier)."},
  {"clip_ratio/high_max", "high side, most", "fraction", kLower, "ratios", "Clipped tokens",
   "The largest share clipped at the upper bound among the parts of a step."},
  {"cispo_clip_ratio", "Clipped weights", "fraction", kLower, "ratios", "",
   "Share of tokens whose importance weight was capped."},
  {"vespo/phi_seq_mean", "Sequence weight", "", kNeither, "ratios", "",
   "Mean weight that VESPO gives to a sequence; 1 is on policy."},
  {"sampling/sampling_logp_difference/mean", "mean", "nats", kLower, "ratios", "Sampler against trainer",
   "Difference between the log-probabilities when sampled and when trained; numerical noise when all is well."},
  {"sampling/sampling_logp_difference/max", "largest", "nats", kLower, "ratios", "Sampler against trainer",
   "The largest such difference."},
  {"sampling/importance_sampling_ratio/*", "", "", kNeither, "ratios", "",
   "Probability of the samples now over their probability when they were drawn; 1 is on policy."},
  {"entropy_coef", "Weight of the entropy bonus", "", kNeither, "ratios", "",
   "How strongly the loss rewards entropy at this step."},
  // --- optimiser ---
  {"grad_norm", "Gradient norm", "", kNeither, "optimiser", "",
   "Length of the whole gradient before clipping. Spikes show a batch that does not fit; a steady rise, trouble ahead."},
  {"grad_norm/*", "", "", kNeither, "optimiser", "",
   "Length of one layer's gradient before clipping. It shows where a run that goes wrong does so."},
  {"learning_rate", "Learning rate", "", kNeither, "optimiser", "", "Step size of the optimiser, as the schedule sets it."},
  {"epoch", "Epoch", "", kNeither, "optimiser", "", "How often the data have been seen."},
  // --- speed ---
  {"tokens_per_second", "Speed", "tokens/s", kHigher, "speed", "", "Tokens of num_tokens per second of the updates alone."},
  {"step_seconds", "Time of a step", "s", kLower, "speed", "", "Seconds that one optimiser step took, rollouts included."},
  {"step_time", "Time of a step", "s", kLower, "speed", "", "Seconds that one optimiser step took, rollouts included."},
  {"peak_rss_mb", "Peak memory", "MB", kLower, "speed", "", "The most main memory that the program has held so far."},
  {"num_tokens", "as trained", "tokens", kNeither, "speed", "Tokens so far",
   "Every token of every sequence so far, a prompt once for each of its candidates, no padding."},
  {"computed_tokens", "as computed", "tokens", kNeither, "speed", "Tokens so far",
   "Tokens that were really computed: shared prompts count once. The gap is work saved."},
  {"runtime", "Time of an evaluation", "s", kLower, "speed", "", "Seconds that an evaluation took."},
  {"samples_per_second", "Evaluation speed", "records/s", kHigher, "speed", "", "Records evaluated per second."},
  {"steps_per_second", "Evaluation batches", "batches/s", kHigher, "speed", "", "Batches evaluated per second."},
};
// clang-format on

bool matches(std::string_view pattern, std::string_view name) {
  const std::size_t star = pattern.find('*');
  if (star == std::string_view::npos) return pattern == name;
  const auto head = pattern.substr(0, star), tail = pattern.substr(star + 1);
  return name.size() > head.size() + tail.size() && name.starts_with(head) && name.ends_with(tail);
}

std::string_view without_eval(std::string_view name) {
  constexpr std::string_view kPrefix = "eval_";
  if (name.starts_with(kPrefix)) name.remove_prefix(kPrefix.size());
  return name;
}

}  // namespace

std::span<const MetricName> metric_names() { return kMetrics; }
std::span<const MetricGroup> metric_groups() { return kGroups; }

const MetricName* find_metric(std::string_view name) {
  name = without_eval(name);
  const auto exact = std::ranges::find(kMetrics, name, &MetricName::name);
  if (exact != std::end(kMetrics)) return exact;
  const auto found =
      std::ranges::find_if(kMetrics, [&](const auto& metric) { return matches(metric.name, name); });
  return found == std::end(kMetrics) ? nullptr : found;
}

core::Json to_json(const std::vector<MetricMeaning>& own) {
  core::Json all = core::Json::object();
  for (const MetricMeaning& metric : own)
    all[metric.name] = {{"title", metric.title},
                        {"meaning", metric.meaning},
                        {"unit", metric.unit},
                        {"better", to_text(metric.better)}};
  return all;
}

std::vector<MetricMeaning> own_metrics(const core::Json& run) {
  std::vector<MetricMeaning> own;
  const auto all = run.find("metrics");
  if (!run.is_object() || all == run.end() || !all->is_object()) return own;
  for (const auto& [name, said] : all->items()) {
    MetricMeaning metric{name, "", ""};
    std::string better;
    bool whole = said.is_object();
    for (const auto& [key, text] : {std::pair{"title", &metric.title},
                                    {"meaning", &metric.meaning},
                                    {"unit", &metric.unit},
                                    {"better", &better}}) {
      whole = whole && said.contains(key) && said[key].is_string();
      if (whole) *text = said[key].get<std::string>();
    }
    if (!whole) continue;
    for (const Better known : {kHigher, kLower})
      if (better == to_text(known)) metric.better = known;
    own.push_back(std::move(metric));
  }
  return own;
}

KnownMetrics::KnownMetrics(std::vector<MetricMeaning> own) : own_(std::move(own)) {
  for (const MetricMeaning& metric : own_)
    named_.push_back(
        {metric.name, metric.title, metric.unit, metric.better, kGroups[0].name, "", metric.meaning});
}

const MetricName* KnownMetrics::find(std::string_view name) const {
  if (const MetricName* shared = find_metric(name)) return shared;
  const auto found = std::ranges::find(named_, without_eval(name), &MetricName::name);
  return found == named_.end() ? nullptr : &*found;
}

std::size_t KnownMetrics::place_of(std::string_view name) const {
  if (const MetricName* shared = find_metric(name)) return static_cast<std::size_t>(shared - kMetrics);
  const auto found = std::ranges::find(named_, without_eval(name), &MetricName::name);
  return std::size(kMetrics) + static_cast<std::size_t>(found - named_.begin());
}

std::string_view to_text(Better better) {
  if (better == Better::kHigher) return "higher";
  return better == Better::kLower ? "lower" : "neither";
}

}  // namespace attune::report
