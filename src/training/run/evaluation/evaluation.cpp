#include "training/run/evaluation/evaluation.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <set>
#include <string>
#include <vector>

namespace attune::training {
namespace {

using algorithm::Metric;

/// Sums by prompt. Records of one prompt are no independent observations, so they stand together, whichever
/// method reads them.
class PromptTable {
 public:
  /// What is added from now on belongs to another method.
  /// @param prefix of the names of its metrics @param weight of its loss in the sum
  void begin(const std::string& prefix, double weight) {
    const bool again = std::ranges::find(terms_, prefix, &Term::prefix) != terms_.end();
    terms_.push_back({prefix, weight, {}, again});
  }

  /// @param groups of the step: what its loss is a mean over
  void add(const Step& step, const StepResult& result, double groups) {
    std::vector<std::size_t> places;
    for (const GroupResult& group : result.groups) places.push_back(place_of(step, group.first));
    std::vector<Metric> losses;
    for (const GroupResult& group : result.groups) losses.push_back(Metric::mean(group.loss * groups, 1));
    Term& term = terms_.back();
    if (!add_parts(term.loss, Metric::mean(result.loss * groups, groups), losses, places))
      coupled_.insert("loss");
    for (const auto& [name, whole] : result.metrics) {
      std::vector<Metric> parts;
      for (const GroupResult& group : result.groups) {
        const auto found = group.metrics.find(name);
        parts.push_back(found == group.metrics.end() ? Metric::mean(0, 0) : found->second);
      }
      const std::string full = term.prefix + name;
      // Of two methods of one name metrics.jsonl has the numbers of the last.
      if (!add_parts(columns_[full], whole, parts, places) || term.again) coupled_.insert(full);
    }
  }

  core::Json to_json() const {
    core::Json metrics = core::Json::object();
    const auto put = [&](const std::string& name, Column column) {
      if (coupled_.contains(name)) return;
      column.sums.resize(prompts_);  // the last steps may not have had it
      column.counts.resize(prompts_);
      metrics["eval_" + name]["sums"] = column.sums;
      if (std::ranges::any_of(column.counts, [](double count) { return count != 1; }))
        metrics["eval_" + name]["counts"] = column.counts;
    };
    for (const auto& [name, column] : columns_) put(name, column);
    put("loss", terms_.size() == 1 ? terms_.front().loss : sum_of_losses());
    return {{"prompts", prompts_}, {"metrics", std::move(metrics)}};
  }

 private:
  struct Column {
    std::vector<double> sums, counts;
  };
  struct Term {
    std::string prefix;
    double weight;
    Column loss;
    bool again;  ///< a method of that name was there before
  };

  /// What each prompt adds to Σ weight · (sum of losses / their count), times the number of prompts, so that
  /// the mean over prompts is that sum.
  Column sum_of_losses() const {
    Column total{std::vector<double>(prompts_), std::vector<double>(prompts_, 1)};
    for (const Term& term : terms_) {
      const double count = std::accumulate(term.loss.counts.begin(), term.loss.counts.end(), 0.0);
      const double share = count > 0 ? term.weight * static_cast<double>(prompts_) / count : 0;
      for (std::size_t i = 0; i < term.loss.sums.size(); ++i) total.sums[i] += share * term.loss.sums[i];
    }
    return total;
  }

  std::size_t place_of(const Step& step, std::int64_t item) {
    const auto& sequence = step.items[static_cast<std::size_t>(item)];
    const auto end = sequence.ids.begin() + sequence.prompt_length;
    const std::vector<std::int32_t> prompt(sequence.ids.begin(), end);
    if (prompt.empty()) return prompts_++;  // texts without prompts are all different
    const auto [place, fresh] = by_prompt_.try_emplace(prompt, prompts_);
    if (fresh) ++prompts_;
    return place->second;
  }

  /// False for metrics that are no means over groups (extremes, what a whole step is needed for): they are
  /// left out.
  bool add_parts(Column& column, const Metric& whole, const std::vector<Metric>& parts,
                 const std::vector<std::size_t>& places) const {
    double sum = 0, count = 0;
    for (const Metric& part : parts) sum += part.sum, count += part.count;
    const auto near = [](double a, double b) { return std::abs(a - b) <= 1e-6 * std::max(1.0, std::abs(b)); };
    if (whole.fold != Metric::Fold::kMean || !near(sum, whole.sum) || !near(count, whole.count)) return false;
    column.sums.resize(prompts_);
    column.counts.resize(prompts_);
    for (std::size_t i = 0; i < parts.size(); ++i) {
      column.sums[places[i]] += parts[i].sum;
      column.counts[places[i]] += parts[i].count;
    }
    return true;
  }

  std::map<std::vector<std::int32_t>, std::size_t> by_prompt_;
  std::size_t prompts_ = 0;
  std::vector<Term> terms_;
  std::map<std::string, Column> columns_;
  std::set<std::string> coupled_;
};

/// The mean loss of a term over its groups; its metrics go to `metrics`, its prompts to `table`.
double evaluate_term(const MethodTerm& term, const Engine& engine, const TrainingOptions& options,
                     const model::ModelConfig& config, algorithm::Metrics& metrics, PromptTable& table) {
  const auto steps = evaluation_steps(term, options, config);
  algorithm::State scratch = term.state;  // evaluation must not move running means
  double sum = 0, count = 0;
  for (std::int64_t left = steps->steps_per_epoch(); left > 0; --left) {
    Step step = steps->next(0);
    if (step.size() == 0) continue;
    if (term.eval_cache) term.eval_cache->fill(step);
    const double groups = step.totals().groups;
    const PreparedStep prepared = engine.prepare(std::move(step), *term.method, scratch);
    const auto result = engine.run(prepared, *term.method, scratch, 1, Purpose::kEvaluate);
    sum += result.loss * groups;
    count += groups;
    for (const auto& [name, metric] : result.metrics) algorithm::fold(metrics, name, metric);
    table.add(prepared.step, result, groups);
  }
  return count > 0 ? sum / count : 0;
}

}  // namespace

std::string named(std::size_t terms, const std::string& term, const std::string& metric) {
  return terms == 1 ? metric : term + "/" + metric;
}

Evaluation evaluate(std::span<const MethodTerm> terms, const Engine& engine, const TrainingOptions& options,
                    const model::ModelConfig& config) {
  Evaluation evaluation{core::Json::object(), nullptr};
  double loss = 0;
  PromptTable table;
  std::string data;
  for (const MethodTerm& term : terms) {
    if (!term.eval) continue;
    algorithm::Metrics metrics;
    table.begin(named(terms.size(), term.name, ""), term.weight);
    data += (data.empty() ? "" : "+") + fmt::format("{:016x}", term.eval->summary().fingerprint);
    loss += term.weight * evaluate_term(term, engine, options, config, metrics, table);
    for (const auto& [name, metric] : metrics)
      evaluation.row["eval_" + named(terms.size(), term.name, name)] = metric.value();
  }
  evaluation.row["eval_loss"] = loss;
  if (!data.empty()) {
    evaluation.by_prompt = {{"data", data}};
    evaluation.by_prompt.update(table.to_json());
  }
  return evaluation;
}

}  // namespace attune::training
