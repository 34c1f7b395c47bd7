#include "training/step/pass.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <numeric>

#include "core/error.h"
#include "core/random.h"
#include "training/step/phase.h"

namespace attune::training {
namespace {

using algorithm::Need;
using algorithm::Positions;
using algorithm::Source;

bool compares(const Need& need) { return model::signal_named(need.signal).needs_reference(); }

model::SignalModel values_of(const model::SignalModel& forwarded) {
  model::SignalModel values = forwarded;
  values.hidden = forwarded.hidden.detach();
  return values;
}

/// The same number of the policy, under the key that it has as its own.
Need own(Need need) {
  need.source = Source::kPolicy;
  return need;
}

bool has(const std::vector<Need>& needs, const Need& wanted) {
  return std::ranges::any_of(
      needs, [&](const Need& need) { return need.key() == wanted.key() && need.at == wanted.at; });
}

}  // namespace

const Need* Engine::Pass::ReadGroup::comparing() const {
  const auto found = std::ranges::find_if(needs, compares);
  return found == needs.end() ? nullptr : &*found;
}

std::vector<std::string> Engine::Pass::ReadGroup::signals() const {
  std::vector<std::string> names;
  for (const Need& need : needs) names.push_back(need.signal);
  return names;
}

std::vector<Engine::Pass::ReadGroup> Engine::Pass::groups_of(const std::vector<Need>& needs) {
  std::vector<ReadGroup> groups;
  for (const Need& need : needs) {
    const auto kind = model::signal_named(need.signal).kind();
    const auto joins = [&](const ReadGroup& group) {
      const Need* other = group.comparing();
      return group.at == need.at && group.kind == kind &&
             (!compares(need) || other == nullptr || other->against == need.against);
    };
    const auto found = std::ranges::find_if(groups, joins);
    if (found != groups.end())
      found->needs.push_back(need);
    else
      groups.push_back({need.at, kind, {need}});
  }
  return groups;
}

Engine::Pass::Pass(const Engine& engine, const PreparedStep& prepared, const algorithm::Method& method,
                   std::span<const std::int64_t> items, const algorithm::Totals& totals, Purpose purpose)
    : engine_(engine),
      prepared_(prepared),
      method_(method),
      purpose_(purpose),
      items_(items.begin(), items.end()),
      own_(group_shares(prepared.step, items,
                        engine.group_.size())[static_cast<std::size_t>(engine.group_.rank())]),
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

void Engine::Pass::choose_needs() {
  for (const Need& need : method_.needs())
    if (need.source == Source::kPolicy) reads_.push_back(need);
  for (const Need& need : method_.needs()) {
    if (need.source != Source::kOld || whole_.has(need.key())) continue;
    old_as_own_.push_back(need);
    if (!has(reads_, own(need))) reads_.push_back(own(need));
  }
  groups_ = groups_of(reads_);
}

bool Engine::Pass::needs_whole() const {
  const auto split = [](const data::PackedBatch& batch) { return batch.splits_group; };
  return method_.scope() == algorithm::Scope::kStep ||
         (method_.scope() == algorithm::Scope::kGroup && std::ranges::any_of(batches_, split));
}

model::SignalModel Engine::Pass::forward(std::size_t batch) const {
  std::optional<std::uint64_t> dropout;
  if (drops())
    dropout = core::random_bits({.seed = engine_.options_.seed,
                                 .purpose = core::Purpose::kDropout,
                                 .step = prepared_.step.number,
                                 .record = batch + (static_cast<std::uint64_t>(engine_.group_.rank()) << 32),
                                 .sample = prepared_.passes});
  model::SignalModel forwarded = engine_.scorer(Source::kPolicy).heads();
  const Phase phase("forward, policy");
  forwarded.hidden = engine_.policy_.hidden(batches_[batch].forest, model::Weights::kPolicy, dropout);
  return forwarded;
}

std::vector<data::PackItem> Engine::Pass::items_of(std::size_t batch,
                                                   const std::vector<data::PackItem>& of_step) const {
  std::vector<data::PackItem> chosen;
  for (const std::int64_t local : batches_[batch].items)
    chosen.push_back(of_step[static_cast<std::size_t>(items_[static_cast<std::size_t>(local)])]);
  return chosen;
}

model::Other Engine::Pass::compared(std::size_t batch, const Need& need) const {
  const c10::NoGradGuard no_gradients;
  const Phase phase("forward, reference");
  const Step& step = prepared_.step;
  model::Other other;
  if (need.against == Source::kReference && need.at == Positions::kTokens && !step.reference_hidden.empty()) {
    std::vector<std::int64_t> of_step;
    for (const std::int64_t local : batches_[batch].items)
      of_step.push_back(items_[static_cast<std::size_t>(local)]);
    other.model = engine_.cached_reference(step, of_step);
  } else {
    const bool own_prompt = need.against == Source::kTeacher && !step.teacher_items.empty();
    const auto scorer = engine_.scorer(need.against);
    other.model = scorer.heads();
    other.model.hidden =
        scorer.hidden(items_of(batch, own_prompt ? step.teacher_items : step.items), need.at);
  }
  other.rows = at::arange(other.model.hidden.size(0), at::kLong);
  return other;
}

const model::Other* Engine::Pass::other_for(std::size_t batch, const ReadGroup& group) {
  const Need* need = group.comparing();
  if (need == nullptr) return nullptr;
  if (others_of_ != batch) others_.clear();
  others_of_ = batch;
  const auto [place, fresh] = others_.try_emplace(need->key() + std::to_string(static_cast<int>(need->at)));
  if (fresh) place->second = compared(batch, *need);
  return &place->second;
}

void Engine::Pass::put(const std::string& key, Positions at, std::size_t batch, const at::Tensor& numbers) {
  const at::Tensor local = numbers.to(at::kCPU, at::kDouble);
  const auto [place, fresh] = whole_.signals.try_emplace(key);
  if (fresh) {
    auto shape = local.sizes().vec();
    shape[0] = whole_.rows(at);
    place->second = {at, at::zeros(shape, at::kDouble)};
  }
  std::int64_t from = 0;
  for (const std::int64_t item : batches_[batch].items) {
    const auto [begin, count] = whole_.rows_of(item, at);
    place->second.numbers.narrow(0, begin, count).copy_(local.narrow(0, from, count));
    from += count;
  }
}

void Engine::Pass::read(std::size_t batch, const model::SignalModel& forwarded) {
  const c10::NoGradGuard no_gradients;
  const auto model = values_of(forwarded);
  for (const ReadGroup& group : groups_) {
    const model::Other* other = other_for(batch, group);
    const Phase phase("signals");
    const auto readout =
        generation::readout_of(batches_[batch].places(group.at), group.at, group.kind, model.hidden.device());
    const auto numbers = model::read_signals(model, readout, group.signals(), other);
    for (const Need& need : group.needs) put(need.key(), group.at, batch, numbers.at(need.signal));
    for (const Need& need : old_as_own_)
      if (has(group.needs, own(need))) put(need.key(), group.at, batch, numbers.at(need.signal));
  }
}

void Engine::Pass::differentiate(const std::vector<std::int64_t>& local, const algorithm::State& state) {
  const Phase phase("method");
  const auto part = algorithm::differentiate(method_, whole_.select(local), state);
  result_.loss += part.loss;
  for (const auto& [name, metric] : part.metrics) algorithm::fold(result_.metrics, name, metric);
  for (const Need& need : reads_) {
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
  for (const Need& need : group.needs) {
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

void Engine::Pass::gather_signals() {
  const Group& group = engine_.group_;
  if (group.alone()) return;
  std::vector<Need> read = reads_;
  read.insert(read.end(), old_as_own_.begin(), old_as_own_.end());
  for (const Need& need : read) {
    at::Tensor rows = at::empty({0}, at::kDouble);
    if (own_.first < own_.second) {
      const auto first = whole_.rows_of(static_cast<std::int64_t>(own_.first), need.at).first;
      const auto [begin, count] = whole_.rows_of(static_cast<std::int64_t>(own_.second) - 1, need.at);
      rows = whole_.signal(need.key()).narrow(0, first, begin + count - first);
    }
    whole_.signals[need.key()] = {need.at, group.gather(rows)};
  }
}

void Engine::Pass::sum_results() {
  const Group& group = engine_.group_;
  if (group.alone()) return;
  std::string names;
  std::vector<double> numbers = {result_.loss, static_cast<double>(result_.computed_tokens), 0};
  for (const auto& [name, metric] : result_.metrics) {
    names += name + "\n";
    numbers.insert(numbers.end(), {static_cast<double>(metric.fold), metric.sum, metric.count});
  }
  const auto all_names = group.gather(names);
  const at::Tensor all = group.gather(at::tensor(numbers, at::kDouble)).contiguous();
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
  if (!engine_.group_.leads() || !method_.has_loss_of_group()) return;
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
    if (step && !engine_.group_.leads()) result_ = {};
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
