#include "training/engine.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "core/error.h"
#include "model/signal.h"

namespace attune::training {
namespace {

using algorithm::Need;
using algorithm::Positions;
using algorithm::Source;

at::Tensor to_tensor(const std::vector<std::int64_t>& values, at::Device device) {
  return at::tensor(values, at::kLong).to(device);
}

model::Readout readout_of(const data::PackedBatch& batch, Positions at, at::Device device) {
  if (at == Positions::kTokens) return {to_tensor(batch.rows, device), to_tensor(batch.targets, device)};
  return {to_tensor(batch.last_rows, device), at::zeros({static_cast<std::int64_t>(batch.last_rows.size())},
                                                        at::TensorOptions(at::kLong).device(device))};
}

/// Whether the engine can go micro-batch by micro-batch, or needs all signals of the step before any coefficient.
bool needs_whole_step(const algorithm::Method& method, const std::vector<data::PackedBatch>& batches) {
  const auto split = [](const data::PackedBatch& batch) { return batch.splits_group; };
  return method.scope() == algorithm::Scope::kStep ||
         (method.scope() == algorithm::Scope::kGroup && std::any_of(batches.begin(), batches.end(), split));
}

std::vector<Need> needs_from(const std::vector<Need>& needs, Source source) {
  std::vector<Need> chosen;
  std::copy_if(needs.begin(), needs.end(), std::back_inserter(chosen), [&](const Need& n) { return n.source == source; });
  return chosen;
}

bool compares_with_reference(const std::vector<Need>& needs) {
  return std::any_of(needs.begin(), needs.end(),
                     [](const Need& need) { return model::signal_named(need.signal).needs_reference(); });
}

std::vector<std::string> names_at(const std::vector<Need>& needs, Positions at) {
  std::vector<std::string> names;
  for (const auto& need : needs)
    if (need.at == at) names.push_back(need.signal);
  return names;
}

}  // namespace

/// Everything about one step while it is computed.
struct Engine::Work {
  const Step& step;
  const algorithm::Method& method;
  core::Offsets offsets;
  algorithm::Totals totals;
  std::vector<data::PackedBatch> batches;
  std::map<std::string, at::Tensor> values;        ///< float64, [tokens of the step] or [N]
  std::map<std::string, at::Tensor> coefficients;  ///< −∂loss/∂signal, the same shapes
  std::map<std::string, at::Tensor> prepared;

  std::int64_t length(Positions at) const { return at == Positions::kTokens ? offsets.back() : step.size(); }

  /// Where item k of a batch stands: in the batch's rows and in the step's.
  struct Span {
    std::int64_t here, there, count;
  };
  Span span(const data::PackedBatch& batch, std::size_t k, Positions at) const {
    const std::int64_t item = batch.items[k];
    if (at != Positions::kTokens) return {static_cast<std::int64_t>(k), item, 1};
    const auto i = static_cast<std::size_t>(item);
    return {batch.offsets[k], offsets[i], offsets[i + 1] - offsets[i]};
  }
  void put(const std::string& key, Positions at, const data::PackedBatch& batch, const at::Tensor& numbers) {
    auto& all = values.try_emplace(key, at::zeros({length(at)}, at::kDouble)).first->second;
    const at::Tensor local = numbers.to(at::kCPU, at::kDouble);
    for (std::size_t k = 0; k < batch.items.size(); ++k) {
      const auto [here, there, count] = span(batch, k, at);
      all.narrow(0, there, count).copy_(local.narrow(0, here, count));
    }
  }
  at::Tensor take(const at::Tensor& all, Positions at, const data::PackedBatch& batch) const {
    at::Tensor local =
        at::empty({at == Positions::kTokens ? batch.offsets.back() : static_cast<std::int64_t>(batch.items.size())},
                  at::kDouble);
    for (std::size_t k = 0; k < batch.items.size(); ++k) {
      const auto [here, there, count] = span(batch, k, at);
      local.narrow(0, here, count).copy_(all.narrow(0, there, count));
    }
    return local;
  }
  void add_known() {
    for (const auto& [key, rows] : step.known) {
      std::vector<double> flat;
      for (const auto& row : rows) flat.insert(flat.end(), row.begin(), row.end());
      ATTUNE_ASSERT(static_cast<std::int64_t>(flat.size()) == offsets.back());
      values[key] = at::tensor(flat, at::kDouble);
    }
  }
};

Engine::Engine(model::Model& policy, Reference reference, EngineOptions options)
    : policy_(policy), reference_(reference), options_(options) {}

model::SignalModel Engine::forward(const core::Forest& forest, Source source, std::uint64_t dropout_key) const {
  const bool own = source != Source::kReference || reference_.model == nullptr;
  const model::Model& which = own ? policy_ : *reference_.model;
  const bool reference = source == Source::kReference && own;
  std::optional<std::uint64_t> dropout;
  if (source == Source::kPolicy && options_.adapter_dropout > 0 && at::GradMode::is_enabled()) dropout = dropout_key;
  return {which.hidden(forest, reference ? model::Weights::kReference : model::Weights::kPolicy, dropout), which.head(),
          options_.temperature};
}

void Engine::read_batch(Work& work, std::size_t index, const model::SignalModel& policy,
                        const std::vector<Need>& needs) const {
  at::NoGradGuard no_grad;
  const data::PackedBatch& batch = work.batches[index];
  const model::SignalModel detached = {policy.hidden.detach(), policy.head, policy.temperature};
  std::optional<model::SignalModel> reference;
  if (compares_with_reference(needs)) reference = forward(batch.forest, Source::kReference, 0);
  for (const Positions at : {Positions::kTokens, Positions::kLast}) {
    const auto names = names_at(needs, at);
    if (names.empty()) continue;
    const auto readout = readout_of(batch, at, detached.hidden.device());
    const auto values = model::read_signals(detached, readout, names, reference ? &*reference : nullptr);
    for (const auto& need : needs)
      if (need.at == at) work.put(need.key(), at, batch, values.at(need.signal));
  }
}

void Engine::backward_batch(const Work& work, std::size_t index, const model::SignalModel& policy,
                            double weight) const {
  const data::PackedBatch& batch = work.batches[index];
  const model::SignalModel detached = {policy.hidden.detach(), policy.head, policy.temperature};
  const auto needs = needs_from(work.method.needs(), Source::kPolicy);
  std::optional<model::SignalModel> reference;
  if (compares_with_reference(needs)) {
    at::NoGradGuard no_grad;
    reference = forward(batch.forest, Source::kReference, 0);
  }
  at::Tensor gradient;
  for (const Positions at : {Positions::kTokens, Positions::kLast}) {
    std::map<std::string, at::Tensor> upstream;
    for (const auto& need : needs) {
      const auto found = work.coefficients.find(need.key());
      if (!need.gradient || need.at != at || found == work.coefficients.end()) continue;
      upstream[need.signal] = work.take(found->second, at, batch).mul_(-weight).to(detached.hidden.device());
    }
    if (upstream.empty()) continue;
    at::NoGradGuard no_grad;
    const auto part = model::backward_signals(detached, readout_of(batch, at, detached.hidden.device()), upstream,
                                              reference ? &*reference : nullptr);
    gradient = gradient.defined() ? gradient + part : part;
  }
  if (gradient.defined() && policy.hidden.requires_grad()) policy.hidden.backward(gradient);
}

algorithm::Batch Engine::batch_view(const Work& work, const std::vector<std::int64_t>& items) const {
  algorithm::Batch view;
  view.offsets = {0};
  view.totals = work.totals;
  std::vector<std::int64_t> token_indices;
  for (const std::int64_t item : items) {
    const auto i = static_cast<std::size_t>(item);
    view.candidates.push_back(work.step.candidates[i]);
    for (std::int64_t t = work.offsets[i]; t < work.offsets[i + 1]; ++t) token_indices.push_back(t);
    view.offsets.push_back(static_cast<std::int64_t>(token_indices.size()));
  }
  const auto tokens = at::tensor(token_indices, at::kLong), rows = at::tensor(items, at::kLong);
  const auto pick = [&](const at::Tensor& all) {
    return all.size(0) == work.offsets.back() && all.size(0) != work.step.size() ? all.index_select(0, tokens)
           : all.size(0) == work.step.size() && work.offsets.back() != work.step.size()
               ? all.index_select(0, rows)
               : all.index_select(0, rows);  // one token each: both selections are the same
  };
  for (const auto& [key, all] : work.values) view.signals[key] = pick(all);
  for (const auto& [key, all] : work.prepared) view.prepared[key] = pick(all);
  return view;
}

namespace {

std::vector<std::int64_t> all_items(const Step& step) {
  std::vector<std::int64_t> items(static_cast<std::size_t>(step.size()));
  for (std::size_t i = 0; i < items.size(); ++i) items[i] = static_cast<std::int64_t>(i);
  return items;
}

void fold(algorithm::Metrics& into, const algorithm::Metrics& from) {
  for (const auto& [name, metric] : from) {
    const auto [place, fresh] = into.try_emplace(name, metric);
    if (!fresh) place->second.add(metric);
  }
}

std::uint64_t dropout_key(const EngineOptions& options, const Step& step, std::size_t batch) {
  return core::random_bits({.seed = options.seed, .purpose = core::Purpose::kDropout, .step = step.number,
                            .record = batch});
}

}  // namespace

StepResult Engine::run(const Step& step, const algorithm::Method& method, algorithm::State& state, double weight,
                       bool train) {
  const bool share = options_.share_prefixes && !(train && options_.adapter_dropout > 0);
  Work work{step, method, step.offsets(), step.totals(), data::pack(step.items, options_.micro_batch_tokens, share), {}, {}, {}};
  work.add_known();
  const auto needs = method.needs();
  const auto policy_needs = needs_from(needs, Source::kPolicy);
  const bool whole = needs_whole_step(method, work.batches);
  StepResult result;
  {
    at::NoGradGuard no_grad;
    for (const Source source : {Source::kReference, Source::kTeacher}) {
      auto wanted = needs_from(needs, source);
      std::erase_if(wanted, [&](const Need& need) { return work.values.contains(need.key()); });
      for (std::size_t b = 0; !wanted.empty() && b < work.batches.size(); ++b)
        read_batch(work, b, forward(work.batches[b].forest, source, 0), wanted);
    }
    for (std::size_t b = 0; whole && b < work.batches.size(); ++b) {
      at::AutoGradMode dropout_as_in_training(train);
      const auto policy = forward(work.batches[b].forest, Source::kPolicy, dropout_key(options_, step, b));
      read_batch(work, b, {policy.hidden.detach(), policy.head, policy.temperature}, policy_needs);
    }
  }
  const bool old_is_policy = !needs_from(needs, Source::kOld).empty() && !work.values.contains("old_logps");
  if (old_is_policy && whole) work.values["old_logps"] = work.values.at("logps").clone();
  algorithm::Batch everything = batch_view(work, all_items(step));
  method.prepare(everything, state, result.metrics);
  work.prepared = everything.prepared;

  const auto account = [&](algorithm::Coefficients&& part, const std::vector<std::int64_t>& items) {
    result.loss += part.loss;
    fold(result.metrics, part.metrics);
    for (const auto& need : policy_needs) {
      const auto found = part.by_signal.find(need.key());
      if (found == part.by_signal.end()) continue;
      auto& all = work.coefficients.try_emplace(need.key(), at::zeros({work.length(need.at)}, at::kDouble)).first->second;
      std::int64_t from = 0;
      for (const std::int64_t item : items) {
        const auto i = static_cast<std::size_t>(item);
        const bool per_token = need.at == Positions::kTokens;
        const std::int64_t to = per_token ? work.offsets[i] : item;
        const std::int64_t count = per_token ? work.offsets[i + 1] - work.offsets[i] : 1;
        all.narrow(0, to, count).copy_(found->second.narrow(0, from, count));
        from += count;
      }
    }
  };
  if (whole) {
    everything = batch_view(work, all_items(step));
    account(algorithm::differentiate(method, everything, state), all_items(step));
  }
  for (std::size_t b = 0; b < work.batches.size(); ++b) {
    result.computed_tokens += work.batches[b].forest.size();
    if (whole && !train) continue;
    at::AutoGradMode record(train);
    const auto policy = forward(work.batches[b].forest, Source::kPolicy, dropout_key(options_, step, b));
    if (!whole) {
      read_batch(work, b, policy, policy_needs);
      if (old_is_policy) work.values["old_logps"] = work.values.at("logps").clone();
      account(algorithm::differentiate(method, batch_view(work, work.batches[b].items), state), work.batches[b].items);
    }
    if (train) backward_batch(work, b, policy, weight);
  }
  return result;
}

std::vector<std::vector<double>> Engine::read(const Step& step, const std::string& signal, Source source) {
  at::NoGradGuard no_grad;
  struct Nothing;
  std::vector<std::vector<double>> result(static_cast<std::size_t>(step.size()));
  for (const auto& batch : data::pack(step.items, options_.micro_batch_tokens, options_.share_prefixes)) {
    const auto forwarded = forward(batch.forest, source, 0);
    const auto readout = readout_of(batch, Positions::kTokens, forwarded.hidden.device());
    const auto values = model::read_signals(forwarded, readout, {signal}).at(signal).to(at::kCPU, at::kDouble).contiguous();
    const double* numbers = values.data_ptr<double>();
    for (std::size_t k = 0; k < batch.items.size(); ++k)
      result[static_cast<std::size_t>(batch.items[k])].assign(numbers + batch.offsets[k], numbers + batch.offsets[k + 1]);
  }
  return result;
}

}  // namespace attune::training
