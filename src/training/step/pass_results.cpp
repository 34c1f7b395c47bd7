// What a pass gives beside gradients: loss and metrics, of all processes and of each group.
#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include "training/step/pass.h"

namespace attune::training {

void Engine::Pass::gather_signals() {
  const Processes& processes = engine_.processes_;
  if (processes.alone()) return;
  std::vector<algorithm::Need> read = reads_;
  read.insert(read.end(), old_as_own_.begin(), old_as_own_.end());
  for (const algorithm::Need& need : read) {
    at::Tensor rows = at::empty({0}, at::kDouble);
    if (own_.first < own_.second) {
      const auto first = whole_.rows_of(static_cast<std::int64_t>(own_.first), need.at).first;
      const auto [begin, count] = whole_.rows_of(static_cast<std::int64_t>(own_.second) - 1, need.at);
      rows = whole_.signal(need.key()).narrow(0, first, begin + count - first);
    }
    whole_.signals[need.key()] = {need.at, processes.gather(rows)};
  }
}

void Engine::Pass::sum_results() {
  const Processes& processes = engine_.processes_;
  if (processes.alone()) return;
  std::string names;
  std::vector<double> numbers = {result_.loss, static_cast<double>(result_.computed_tokens), 0};
  for (const auto& [name, metric] : result_.metrics) {
    names += name + "\n";
    numbers.insert(numbers.end(), {static_cast<double>(metric.fold), metric.sum, metric.count});
  }
  const auto all_names = processes.gather(names);
  const at::Tensor all = processes.gather(at::tensor(numbers, at::kDouble)).contiguous();
  const double* next = all.const_data_ptr<double>();
  result_ = {};
  for (const std::string& of_rank : all_names) {
    result_.loss += next[0];
    result_.computed_tokens += static_cast<std::int64_t>(next[1]);
    next += 3;
    for (std::size_t at = 0, end = 0; at < of_rank.size(); at = end + 1, next += 3) {
      end = of_rank.find('\n', at);
      algorithm::fold(result_.metrics, of_rank.substr(at, end - at),
                      {static_cast<algorithm::Metric::Fold>(static_cast<int>(next[0])), next[1], next[2]});
    }
  }
}

void Engine::Pass::add_groups(const algorithm::State& state) {
  const c10::NoGradGuard no_gradients;
  if (method_.scope() != algorithm::Scope::kStep) gather_signals();  // else they have been
  if (!engine_.processes_.leads() || !method_.has_loss_of_group()) return;
  const auto& candidates = whole_.candidates;
  std::vector<std::int64_t> group;
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    group.push_back(static_cast<std::int64_t>(i));
    if (i + 1 < candidates.size() && candidates[i + 1].group == candidates[i].group) continue;
    const algorithm::Batch part = whole_.select(group);
    const std::int64_t first = items_[static_cast<std::size_t>(group.front())];
    group.clear();
    if (!whole_.pairs.empty() && part.pairs.empty()) continue;  // nothing of it is compared
    auto [loss, metrics] = method_.loss(part, state);
    result_.groups.push_back({first, loss.item<double>(), std::move(metrics)});
  }
}

}  // namespace attune::training
