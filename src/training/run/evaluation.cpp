#include "training/run/evaluation.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace attune::training {
namespace {

using algorithm::Metric;

/// Sums by prompt. Records of one prompt are no independent observations, so they stand together.
class PromptTable {
 public:
  /// @param groups of the step: what its loss is a mean over
  void add(const Step& step, const StepResult& result, double groups) {
    std::vector<std::size_t> places;
    for (const GroupResult& group : result.groups) places.push_back(place_of(step, group.first));
    std::vector<Metric> losses;
    for (const GroupResult& group : result.groups) losses.push_back(Metric::mean(group.loss * groups, 1));
    add_metric("loss", Metric::mean(result.loss * groups, groups), losses, places);
    for (const auto& [name, whole] : result.metrics) {
      std::vector<Metric> parts;
      for (const GroupResult& group : result.groups) {
        const auto found = group.metrics.find(name);
        parts.push_back(found == group.metrics.end() ? Metric::mean(0, 0) : found->second);
      }
      add_metric(name, whole, parts, places);
    }
  }

  core::Json to_json() const {
    core::Json metrics = core::Json::object();
    for (auto [name, column] : columns_) {
      if (coupled_.contains(name)) continue;
      column.sums.resize(prompts_);  // the last steps may not have had it
      column.counts.resize(prompts_);
      metrics["eval_" + name]["sums"] = column.sums;
      if (std::ranges::any_of(column.counts, [](double count) { return count != 1; }))
        metrics["eval_" + name]["counts"] = column.counts;
    }
    return {{"prompts", prompts_}, {"metrics", std::move(metrics)}};
  }

 private:
  struct Column {
    std::vector<double> sums, counts;
  };

  std::size_t place_of(const Step& step, std::int64_t item) {
    const auto& sequence = step.items[static_cast<std::size_t>(item)];
    const auto end = sequence.ids.begin() + sequence.prompt_length;
    const std::vector<std::int32_t> prompt(sequence.ids.begin(), end);
    if (prompt.empty()) return prompts_++;  // texts without prompts are all different
    const auto [place, fresh] = by_prompt_.try_emplace(prompt, prompts_);
    if (fresh) ++prompts_;
    return place->second;
  }

  /// Metrics that are no means over groups (extremes, what a whole step is needed for) are left out.
  void add_metric(const std::string& name, const Metric& whole, const std::vector<Metric>& parts,
                  const std::vector<std::size_t>& places) {
    double sum = 0, count = 0;
    for (const Metric& part : parts) sum += part.sum, count += part.count;
    const auto near = [](double a, double b) { return std::abs(a - b) <= 1e-6 * std::max(1.0, std::abs(b)); };
    if (whole.fold != Metric::Fold::kMean || !near(sum, whole.sum) || !near(count, whole.count)) {
      coupled_.insert(name);
      return;
    }
    Column& column = columns_[name];
    column.sums.resize(prompts_);
    column.counts.resize(prompts_);
    for (std::size_t i = 0; i < parts.size(); ++i) {
      column.sums[places[i]] += parts[i].sum;
      column.counts[places[i]] += parts[i].count;
    }
  }

  std::map<std::vector<std::int32_t>, std::size_t> by_prompt_;
  std::size_t prompts_ = 0;
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

std::string named(std::span<const MethodTerm> terms, const MethodTerm& term, const std::string& metric) {
  return terms.size() == 1 ? metric : term.name + "/" + metric;
}

Evaluation evaluate(std::span<const MethodTerm> terms, const Engine& engine, const TrainingOptions& options,
                    const model::ModelConfig& config) {
  Evaluation evaluation{core::Json::object(), nullptr};
  double loss = 0;
  for (const MethodTerm& term : terms) {
    if (!term.eval) continue;
    algorithm::Metrics metrics;
    PromptTable table;
    loss += term.weight * evaluate_term(term, engine, options, config, metrics, table);
    for (const auto& [name, metric] : metrics)
      evaluation.row["eval_" + named(terms, term, name)] = metric.value();
    if (terms.size() > 1) continue;
    evaluation.by_prompt = {{"data", fmt::format("{:016x}", term.eval->summary().fingerprint)}};
    evaluation.by_prompt.update(table.to_json());
  }
  evaluation.row["eval_loss"] = loss;
  return evaluation;
}

}  // namespace attune::training
