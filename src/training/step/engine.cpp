#include "training/step/engine.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>

#include "core/error.h"
#include "core/random.h"
#include "model/signal.h"
#include "training/method_needs.h"
#include "training/step/phase.h"

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

/// Whether the engine can go micro-batch by micro-batch, or needs all signals of the step before any
/// coefficient.
bool needs_whole_step(const algorithm::Method& method, const std::vector<data::PackedBatch>& batches) {
  const auto split = [](const data::PackedBatch& batch) { return batch.splits_group; };
  return method.scope() == algorithm::Scope::kStep ||
         (method.scope() == algorithm::Scope::kGroup && std::any_of(batches.begin(), batches.end(), split));
}

std::vector<Need> needs_from(const std::vector<Need>& needs, Source source) {
  std::vector<Need> chosen;
  std::copy_if(needs.begin(), needs.end(), std::back_inserter(chosen),
               [&](const Need& n) { return n.source == source; });
  return chosen;
}

bool compares_with_reference(const std::vector<Need>& needs) {
  return std::any_of(needs.begin(), needs.end(), compares_distributions);
}

model::SignalModel detached(const model::SignalModel& forwarded) {
  model::SignalModel values = forwarded;
  values.hidden = forwarded.hidden.detach();
  return values;
}

/// A reference that computed the same stream, as signals compare with it.
std::optional<model::Other> beside(const std::optional<model::SignalModel>& reference,
                                   const model::Readout& readout) {
  if (!reference) return std::nullopt;
  return model::Other{*reference, readout.rows};
}

std::vector<std::string> names_at(const std::vector<Need>& needs, Positions at) {
  std::vector<std::string> names;
  for (const auto& need : needs)
    if (need.at == at) names.push_back(need.signal);
  return names;
}

}  // namespace

/// One step while it is computed: the signals read so far, and the coefficients that come of them.
class Engine::Pass {
 public:
  Pass(const Engine& engine, const Step& step, const std::vector<Need>& needs, bool train)
      : engine_(engine),
        step_(step),
        needs_(needs),
        train_(train),
        offsets_(step.offsets()),
        totals_(step.totals()) {
    const bool dropout = train && engine.options_.adapter_dropout > 0;
    batches_ = data::pack(step.items, engine.options_.micro_batch_tokens,
                          engine.options_.share_prefixes && !dropout);
    for (std::size_t i = 0; i < step.items.size(); ++i) all_.push_back(static_cast<std::int64_t>(i));
    for (const auto& [key, rows] : step.known) add_known(key, rows);
  }

  const std::vector<data::PackedBatch>& batches() const { return batches_; }
  const std::vector<std::int64_t>& all() const { return all_; }
  bool knows(const std::string& key) const { return values_.contains(key); }

  model::SignalModel forward(std::size_t batch, Source source) const {
    if (source == Source::kReference && !step_.reference_hidden.empty()) return cached_reference(batch);
    const bool own = source != Source::kReference || engine_.reference_.model == nullptr;
    const model::Model& which = own ? engine_.policy_ : *engine_.reference_.model;
    const auto weights =
        source == Source::kReference && own ? model::Weights::kReference : model::Weights::kPolicy;
    std::optional<std::uint64_t> dropout;
    if (source == Source::kPolicy && train_ && engine_.options_.adapter_dropout > 0)
      dropout = core::random_bits({.seed = engine_.options_.seed,
                                   .purpose = core::Purpose::kDropout,
                                   .step = step_.number,
                                   .record = batch});
    model::SignalModel forwarded;
    const Phase phase(source == Source::kPolicy ? "forward, policy" : "forward, reference");
    forwarded.hidden = which.hidden(batches_[batch].forest, weights, dropout);
    forwarded.head = which.head(weights);
    forwarded.heads = which.named_heads();
    forwarded.temperature = engine_.options_.temperature;
    return forwarded;
  }

  /// Reads signals of one micro-batch from what a model computed on it.
  void read(std::size_t batch, const model::SignalModel& forwarded, const std::vector<Need>& needs) {
    c10::NoGradGuard no_grad;
    const Phase phase("signals");
    const auto model = detached(forwarded);
    const auto reference = reference_for(batch, needs);
    for (const Positions at : {Positions::kTokens, Positions::kLast}) {
      const auto names = names_at(needs, at);
      if (names.empty()) continue;
      const auto readout = readout_of(batches_[batch], at, model.hidden.device());
      const auto other = beside(reference, readout);
      const auto numbers = model::read_signals(model, readout, names, other ? &*other : nullptr);
      for (const auto& need : needs)
        if (need.at == at) put(need.key(), at, batches_[batch], numbers.at(need.signal));
    }
  }

  /// Reads what the frozen models say, for the whole step, except what is known.
  void read_frozen() {
    c10::NoGradGuard no_grad;
    for (const Source source : {Source::kReference, Source::kTeacher}) {
      auto wanted = needs_from(needs_, source);
      std::erase_if(wanted, [&](const Need& need) { return knows(need.key()); });
      for (std::size_t b = 0; !wanted.empty() && b < batches_.size(); ++b)
        read(b, forward(b, source), wanted);
    }
  }

  /// Without an older sampler the policy itself is the old one.
  void take_policy_as_old() { values_["old_logps"] = values_.at("logps").clone(); }

  /// What the method sees of some items.
  algorithm::Batch view(const std::vector<std::int64_t>& items) const {
    algorithm::Batch view;
    view.offsets = {0};
    view.totals = totals_;
    std::vector<std::int64_t> tokens;
    for (const std::int64_t item : items) {
      const auto i = static_cast<std::size_t>(item);
      view.candidates.push_back(step_.candidates[i]);
      for (std::int64_t t = offsets_[i]; t < offsets_[i + 1]; ++t) tokens.push_back(t);
      view.offsets.push_back(static_cast<std::int64_t>(tokens.size()));
    }
    const auto token_rows = at::tensor(tokens, at::kLong), item_rows = at::tensor(items, at::kLong);
    const auto pick = [&](const at::Tensor& all) {
      // Where every candidate has one token both selections are the same.
      return all.index_select(0, all.size(0) == offsets_.back() ? token_rows : item_rows);
    };
    for (const auto& [key, all] : values_) view.signals[key] = pick(all);
    for (const auto& [key, all] : prepared_) view.prepared[key] = pick(all);
    return view;
  }

  void prepare(const algorithm::Method& method, algorithm::State& state, algorithm::Metrics& metrics) {
    algorithm::Batch everything = view(all_);
    method.prepare(everything, state, metrics);
    prepared_ = everything.prepared;
  }

  /// Keeps the coefficients of some items.
  void keep(const algorithm::Coefficients& part, const std::vector<std::int64_t>& items) {
    for (const auto& need : needs_) {
      const auto found = part.by_signal.find(need.key());
      if (found == part.by_signal.end()) continue;
      auto& all =
          coefficients_.try_emplace(need.key(), at::zeros({length(need.at)}, at::kDouble)).first->second;
      std::int64_t from = 0;
      for (const std::int64_t item : items) {
        const auto [begin, count] = range(item, need.at);
        all.narrow(0, begin, count).copy_(found->second.narrow(0, from, count));
        from += count;
      }
    }
  }

  /// Pushes the coefficients of one micro-batch through the model: weight × ∂loss/∂parameters.
  void backward(std::size_t batch, const model::SignalModel& policy, double weight) const {
    c10::NoGradGuard no_grad;
    const auto needs = needs_from(needs_, Source::kPolicy);
    const auto reference = reference_for(batch, needs);
    const Phase phase("signals, backward");
    at::Tensor gradient;
    for (const Positions at : {Positions::kTokens, Positions::kLast}) {
      const auto upstream = upstream_of(batch, needs, at, weight, policy.hidden.device());
      if (upstream.empty()) continue;
      const auto readout = readout_of(batches_[batch], at, policy.hidden.device());
      const auto other = beside(reference, readout);
      const auto part =
          model::backward_signals(detached(policy), readout, upstream, other ? &*other : nullptr);
      gradient = gradient.defined() ? gradient + part : part;
    }
    if (!gradient.defined() || !policy.hidden.requires_grad()) return;
    const Phase through_layers("backward");
    policy.hidden.backward(gradient);
  }

 private:
  /// Cached hidden states at the places of a stream where signals are read; nothing else of it is looked at.
  model::SignalModel cached_reference(std::size_t index) const {
    const data::PackedBatch& batch = batches_[index];
    const auto options = engine_.reference_.head.weight.options();
    model::SignalModel cached;
    cached.hidden = at::zeros({batch.forest.size(), engine_.policy_.config().hidden_size}, options);
    cached.head = engine_.reference_.head;
    cached.temperature = engine_.options_.temperature;
    const at::Tensor rows = to_tensor(batch.rows, options.device());
    std::vector<at::Tensor> states;
    for (const std::int64_t item : batch.items)
      states.push_back(step_.reference_hidden[static_cast<std::size_t>(item)]);
    cached.hidden.index_copy_(0, rows, at::cat(states).to(options));
    return cached;
  }

  std::int64_t length(Positions at) const {
    return at == Positions::kTokens ? offsets_.back() : step_.size();
  }

  /// Where an item's numbers stand in the step: {begin, count}.
  std::pair<std::int64_t, std::int64_t> range(std::int64_t item, Positions at) const {
    if (at != Positions::kTokens) return {item, 1};
    const auto i = static_cast<std::size_t>(item);
    return {offsets_[i], offsets_[i + 1] - offsets_[i]};
  }

  void add_known(const std::string& key, const std::vector<std::vector<double>>& rows) {
    std::vector<double> flat;
    for (const auto& row : rows) flat.insert(flat.end(), row.begin(), row.end());
    if (static_cast<std::int64_t>(flat.size()) != offsets_.back())
      core::fail_request("{}: {} numbers for {} trained tokens; records must carry one for each", key,
                         flat.size(), offsets_.back());
    values_[key] = at::tensor(flat, at::kDouble);
  }

  std::optional<model::SignalModel> reference_for(std::size_t batch, const std::vector<Need>& needs) const {
    if (!compares_with_reference(needs)) return std::nullopt;
    c10::NoGradGuard no_grad;
    return forward(batch, Source::kReference);
  }

  /// Copies numbers of a micro-batch to their places in the step.
  void put(const std::string& key, Positions at, const data::PackedBatch& batch, const at::Tensor& numbers) {
    auto& all = values_.try_emplace(key, at::zeros({length(at)}, at::kDouble)).first->second;
    const at::Tensor local = numbers.to(at::kCPU, at::kDouble);
    std::int64_t from = 0;
    for (const std::int64_t item : batch.items) {
      const auto [begin, count] = range(item, at);
      all.narrow(0, begin, count).copy_(local.narrow(0, from, count));
      from += count;
    }
  }

  std::map<std::string, at::Tensor> upstream_of(std::size_t batch, const std::vector<Need>& needs,
                                                Positions at, double weight, at::Device device) const {
    std::map<std::string, at::Tensor> upstream;
    for (const auto& need : needs) {
      const auto found = coefficients_.find(need.key());
      if (!need.gradient || need.at != at || found == coefficients_.end()) continue;
      std::vector<at::Tensor> parts;
      for (const std::int64_t item : batches_[batch].items) {
        const auto [begin, count] = range(item, at);
        parts.push_back(found->second.narrow(0, begin, count));
      }
      upstream[need.signal] = at::cat(parts).mul_(-weight).to(device);
    }
    return upstream;
  }

  const Engine& engine_;
  const Step& step_;
  const std::vector<Need>& needs_;
  bool train_;
  core::Offsets offsets_;
  algorithm::Totals totals_;
  std::vector<std::int64_t> all_;
  std::vector<data::PackedBatch> batches_;
  std::map<std::string, at::Tensor> values_, coefficients_,
      prepared_;  ///< float64, [tokens of the step] or [N]
};

Engine::Engine(model::Model& policy, Reference reference, EngineOptions options)
    : policy_(policy), reference_(reference), options_(options) {}

StepResult Engine::run(const Step& step, const algorithm::Method& method, algorithm::State& state,
                       double weight, bool train) {
  const auto needs = method.needs(), policy_needs = needs_from(needs, Source::kPolicy);
  Pass pass(*this, step, needs, train);
  const bool whole = needs_whole_step(method, pass.batches());
  const bool old_is_policy = !needs_from(needs, Source::kOld).empty() && !pass.knows("old_logps");
  StepResult result;
  const auto differentiate = [&](const std::vector<std::int64_t>& items) {
    if (old_is_policy) pass.take_policy_as_old();
    const Phase phase("method");
    const auto part = algorithm::differentiate(method, pass.view(items), state);
    result.loss += part.loss;
    for (const auto& [name, metric] : part.metrics) algorithm::fold(result.metrics, name, metric);
    pass.keep(part, items);
  };

  pass.read_frozen();
  for (std::size_t b = 0; whole && b < pass.batches().size(); ++b) {
    c10::NoGradGuard no_grad;
    pass.read(b, pass.forward(b, Source::kPolicy), policy_needs);
  }
  if (old_is_policy && whole) pass.take_policy_as_old();
  pass.prepare(method, state, result.metrics);
  if (whole) differentiate(pass.all());
  for (std::size_t b = 0; b < pass.batches().size(); ++b) {
    result.computed_tokens += pass.batches()[b].forest.size();
    if (whole && !train) continue;
    c10::AutoGradMode record(train);
    const auto policy = pass.forward(b, Source::kPolicy);
    if (!whole) {
      pass.read(b, policy, policy_needs);
      differentiate(pass.batches()[b].items);
    }
    if (train) pass.backward(b, policy, weight);
  }
  return result;
}

std::vector<at::Tensor> Engine::read_tokens(const Step& step, Source source, const TokenReader& read) {
  c10::NoGradGuard no_grad;
  const std::vector<Need> none;
  const Pass pass(*this, step, none, /*train=*/false);
  std::vector<at::Tensor> result(static_cast<std::size_t>(step.size()));
  for (std::size_t b = 0; b < pass.batches().size(); ++b) {
    const auto& batch = pass.batches()[b];
    const auto forwarded = pass.forward(b, source);
    const at::Tensor values =
        read(forwarded, readout_of(batch, Positions::kTokens, forwarded.hidden.device())).to(at::kCPU);
    for (std::size_t k = 0; k < batch.items.size(); ++k)
      result[static_cast<std::size_t>(batch.items[k])] =
          values.slice(0, batch.offsets[k], batch.offsets[k + 1]).clone();
  }
  return result;
}

std::vector<at::Tensor> Engine::read_hidden(const Step& step, Source source) {
  return read_tokens(step, source, [](const model::SignalModel& forwarded, const model::Readout& readout) {
    return forwarded.hidden.index_select(0, readout.rows);
  });
}

std::vector<std::vector<double>> Engine::read(const Step& step, const std::string& signal, Source source) {
  const auto read_signal = [&](const model::SignalModel& forwarded, const model::Readout& readout) {
    return model::read_signals(forwarded, readout, {signal}).at(signal);
  };
  std::vector<std::vector<double>> result;
  for (const at::Tensor& values : read_tokens(step, source, read_signal)) {
    const at::Tensor numbers = values.to(at::kDouble).contiguous();
    result.emplace_back(numbers.data_ptr<double>(), numbers.data_ptr<double>() + numbers.numel());
  }
  return result;
}

}  // namespace attune::training
