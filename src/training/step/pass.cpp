#include "training/step/pass.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <numeric>

#include "core/random.h"
#include "training/step/phase.h"

namespace attune::training {

Engine::Pass::Pass(const Engine& engine, const PreparedStep& prepared, const algorithm::Method& method,
                   std::span<const std::int64_t> items, const algorithm::Totals& totals, Purpose purpose)
    : engine_(engine),
      prepared_(prepared),
      method_(method),
      purpose_(purpose),
      items_(items.begin(), items.end()),
      own_(group_shares(prepared.step, items,
                        engine.processes_.size())[static_cast<std::size_t>(engine.processes_.rank())]),
      whole_(prepared.batch.select(items)) {
  whole_.totals = totals;
  choose_needs();
  std::vector<data::PackItem> chosen;
  for (std::size_t i = own_.first; i < own_.second; ++i)
    chosen.push_back(prepared.step.items[static_cast<std::size_t>(items_[i])]);
  if (chosen.empty()) return;  // fewer groups than processes
  batches_ =
      data::pack(chosen, engine.options_.micro_batch_tokens, engine.options_.share_prefixes && !drops());
  for (auto& batch : batches_)
    for (auto& item : batch.items) item += static_cast<std::int64_t>(own_.first);
}

bool Engine::Pass::needs_whole() const {
  const auto split = [](const data::PackedBatch& batch) { return batch.splits_group; };
  return method_.scope() == algorithm::Scope::kStep ||
         (method_.scope() == algorithm::Scope::kGroup && std::ranges::any_of(batches_, split));
}

std::vector<std::uint64_t> Engine::Pass::dropout_keys(std::size_t batch) const {
  std::vector<std::uint64_t> keys;
  if (!drops()) return keys;
  const Step& step = prepared_.step;
  for (const std::int64_t local : batches_[batch].items) {
    const auto item = static_cast<std::size_t>(items_[static_cast<std::size_t>(local)]);
    const std::int64_t row = step.rows.empty() ? 0 : step.rows[item];
    keys.push_back(core::random_bits({.seed = engine_.options_.seed,
                                      .purpose = core::Purpose::kDropout,
                                      .step = step.number,
                                      .record = static_cast<std::uint64_t>(row),
                                      .sample = item,
                                      .token = prepared_.passes}));
  }
  return keys;
}

model::SignalModel Engine::Pass::forward(std::size_t batch) const {
  model::SignalModel forwarded = engine_.scorer(algorithm::Source::kPolicy).heads();
  const Phase phase("forward, policy");
  forwarded.hidden =
      engine_.policy_.hidden({batches_[batch].forest, prepared_.step.given.get()}, model::Weights::kPolicy,
                             dropout_keys(batch), engine_.options_.tap);
  return forwarded;
}

void Engine::Pass::differentiate(const std::vector<std::int64_t>& local, const algorithm::State& state) {
  const Phase phase("method");
  const auto part = algorithm::differentiate(method_, whole_.select(local), state);
  result_.loss += part.loss;
  for (const auto& [name, metric] : part.metrics) algorithm::fold(result_.metrics, name, metric);
  for (const algorithm::Need& need : reads_) {
    const auto found = part.by_signal.find(need.key());
    if (!need.gradient || found == part.by_signal.end()) continue;
    const auto [place, fresh] = coefficients_.try_emplace(need.key());
    if (fresh) place->second = at::zeros_like(whole_.signal(need.key()));
    std::int64_t from = 0;
    for (const std::int64_t item : local) {
      const auto [begin, count] = whole_.rows_of(item, need.at);
      place->second.narrow(0, begin, count).copy_(found->second.narrow(0, from, count));
      from += count;
    }
  }
}

std::map<std::string, at::Tensor> Engine::Pass::upstream_of(std::size_t batch, const ReadGroup& group,
                                                            double weight, at::Device device) const {
  std::map<std::string, at::Tensor> upstream;
  for (const algorithm::Need& need : group.needs) {
    const auto found = coefficients_.find(need.key());
    if (!need.gradient || found == coefficients_.end()) continue;
    std::vector<at::Tensor> parts;
    for (const std::int64_t item : batches_[batch].items) {
      const auto [begin, count] = whole_.rows_of(item, need.at);
      parts.push_back(found->second.narrow(0, begin, count));
    }
    upstream[need.signal] = at::cat(parts).mul_(-weight).to(device);
  }
  return upstream;
}

void Engine::Pass::backward(std::size_t batch, const model::SignalModel& policy, double weight) {
  const c10::NoGradGuard no_gradients;
  at::Tensor gradient;
  for (const ReadGroup& group : groups_) {
    const auto upstream = upstream_of(batch, group, weight, policy.hidden.device());
    if (upstream.empty()) continue;
    const model::Other* other = other_for(batch, group);
    const Phase phase("signals, backward");
    const auto readout = generation::readout_of(batches_[batch].places(group.at), group.at, group.kind,
                                                policy.hidden.device());
    const auto part = model::backward_signals(values_of(policy), readout, upstream, other);
    gradient = gradient.defined() ? gradient + part : part;
  }
  if (!gradient.defined() || !policy.hidden.requires_grad()) return;
  const Phase through_layers("backward");
  policy.hidden.backward(gradient);
}

StepResult Engine::Pass::run(const algorithm::State& state, double weight) {
  const bool whole = needs_whole();
  for (std::size_t b = 0; whole && b < batches_.size(); ++b) {
    const c10::NoGradGuard no_gradients;
    read(b, forward(b));
  }
  if (whole) {
    const bool step = method_.scope() == algorithm::Scope::kStep;
    if (step) gather_signals();
    std::vector<std::int64_t> coupled(step ? items_.size() : own_.second - own_.first);
    std::iota(coupled.begin(), coupled.end(), static_cast<std::int64_t>(step ? 0 : own_.first));
    differentiate(coupled, state);
    // Every process has the loss of the whole step then: one of them tells it.
    if (step && !engine_.processes_.leads()) result_ = {};
  }
  for (std::size_t b = 0; b < batches_.size(); ++b) {
    result_.computed_tokens += batches_[b].forest.size();
    if (whole && !trains()) continue;
    const c10::AutoGradMode record(trains());
    const auto policy = forward(b);
    if (!whole) {
      read(b, policy);
      differentiate(batches_[b].items, state);
    }
    if (trains()) backward(b, policy, weight);
  }
  sum_results();
  if (purpose_ == Purpose::kEvaluate) add_groups(state);
  return std::move(result_);
}

}  // namespace attune::training
