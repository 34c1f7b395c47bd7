#include "training/step/engine.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <map>
#include <numeric>

#include "core/error.h"
#include "training/step/pass.h"
#include "training/step/phase.h"

namespace attune::training {
namespace {

using algorithm::Need;
using algorithm::Source;

/// Whether the signal is the same however far the policy moves during the step.
bool stands_still(const Need& need, const FrozenModels& frozen, std::int64_t updates) {
  if (need.source == Source::kPolicy) return false;
  if (need.source != Source::kOld) return true;
  return frozen.old != nullptr || need.for_prepare || updates > 1;
}

std::vector<std::int64_t> every_item(const Step& step) {
  std::vector<std::int64_t> items(static_cast<std::size_t>(step.size()));
  std::iota(items.begin(), items.end(), std::int64_t{0});
  return items;
}

}  // namespace

std::vector<std::int64_t> PreparedStep::all() const { return every_item(step); }

Engine::Engine(model::Model& policy, FrozenModels frozen, EngineOptions options, Processes processes)
    : policy_(policy), frozen_(std::move(frozen)), options_(options), processes_(std::move(processes)) {}

generation::ScorerOptions Engine::scorer_options() const {
  return {options_.micro_batch_tokens, options_.share_prefixes, options_.temperature, {}, options_.tap};
}

generation::Scorer Engine::scorer(Source source) const {
  auto options = scorer_options();
  const bool of_policy = source == Source::kPolicy || (source == Source::kOld && frozen_.old == nullptr);
  if (!of_policy) options.tap = nullptr;
  return scorer_of(source, policy_, frozen_, options);
}

model::SignalModel Engine::cached_reference(const Step& step, std::span<const std::int64_t> items) const {
  std::vector<at::Tensor> states;
  for (const std::int64_t item : items)
    states.push_back(step.reference_hidden[static_cast<std::size_t>(item)]);
  model::SignalModel cached;
  cached.head = frozen_.reference_head;
  cached.temperature = options_.temperature;
  cached.hidden = at::cat(states).to(cached.head.weight.options());
  return cached;
}

std::vector<at::Tensor> Engine::read_cached(const Step& step, std::pair<std::size_t, std::size_t> own,
                                            const std::vector<generation::Reading>& readings) const {
  const c10::NoGradGuard no_gradients;
  std::vector<std::int64_t> items, tokens;
  for (std::size_t i = own.first; i < own.second; ++i) {
    items.push_back(static_cast<std::int64_t>(i));
    const auto trained = generation::trained_tokens(step.items[i]);
    tokens.insert(tokens.end(), trained.begin(), trained.end());
  }
  const model::SignalModel cached = cached_reference(step, items);
  const model::Readout readout{at::arange(std::ssize(tokens), at::kLong), at::tensor(tokens, at::kLong)};
  std::vector<at::Tensor> numbers;
  for (const auto& [signal, at] : readings) {
    if (at != algorithm::Positions::kTokens || model::signal_named(signal).kind() == model::SignalKind::kHead)
      core::fail_request(
          "reference.cache keeps what the reference says of tokens, and '{}' is read elsewhere; leave it out",
          signal);
    numbers.push_back(model::read_signals(cached, readout, {signal}).at(signal).to(at::kCPU, at::kDouble));
  }
  return numbers;
}

void Engine::read_frozen(const Step& step, const std::vector<Need>& needs,
                         algorithm::Signals& signals) const {
  if (needs.empty()) return;
  const Source source = needs.front().source;
  const Phase phase(source == Source::kReference ? "forward, reference" : "forward, frozen");
  std::pair<std::size_t, std::size_t> own = {0, step.items.size()};
  if (!processes_.alone())
    own =
        group_shares(step, every_item(step), processes_.size())[static_cast<std::size_t>(processes_.rank())];
  const auto seen_by = [&](Source by) {
    const auto& items =
        by == Source::kTeacher && !step.teacher_items.empty() ? step.teacher_items : step.items;
    return std::span(items).subspan(own.first, own.second - own.first);
  };
  std::vector<generation::Reading> readings;
  for (const Need& need : needs) readings.push_back({need.signal, need.at});
  const auto compares = [](const Need& need) { return model::signal_named(need.signal).needs_reference(); };
  const auto reader = scorer(source).with(step.given.get());
  std::vector<at::Tensor> numbers(needs.size(), at::empty({0}, at::kDouble));
  if (own.first < own.second && source == Source::kReference && !step.reference_hidden.empty())
    numbers = read_cached(step, own, readings);
  else if (own.first < own.second)
    numbers =
        std::ranges::none_of(needs, compares)
            ? reader.read(seen_by(source), readings)
            : reader.compare(seen_by(source), readings, scorer(needs.front().against).with(step.given.get()),
                             seen_by(needs.front().against));
  for (std::size_t i = 0; i < needs.size(); ++i)
    signals[needs[i].key()] = {needs[i].at, processes_.gather(numbers[i])};
}

PreparedStep Engine::prepare(Step step, const algorithm::Method& method, algorithm::State& state,
                             std::int64_t updates) const {
  PreparedStep prepared;
  prepared.batch = step.batch();
  std::map<std::pair<Source, Source>, std::vector<Need>> wanted;  // by model and the one it is compared with
  for (const Need& need : method.needs()) {
    const auto known = prepared.batch.signals.find(need.key());
    const bool fits = known != prepared.batch.signals.end() && known->second.at == need.at;
    if (fits) continue;
    if (known != prepared.batch.signals.end()) prepared.batch.signals.erase(known);  // known of other places
    if (stands_still(need, frozen_, updates)) wanted[{need.source, need.against}].push_back(need);
  }
  for (const auto& [models, needs] : wanted) read_frozen(step, needs, prepared.batch.signals);
  prepared.step = std::move(step);
  method.prepare(prepared.batch, state, prepared.metrics);
  return prepared;
}

StepResult Engine::accumulate(const PreparedStep& prepared, const algorithm::Method& method,
                              const algorithm::State& state, std::span<const std::int64_t> items,
                              const algorithm::Totals& totals, double weight, Purpose purpose) const {
  return Pass(*this, prepared, method, items, totals, purpose).run(state, weight);
}

StepResult Engine::run(Step step, const algorithm::Method& method, algorithm::State& state, double weight,
                       Purpose purpose) const {
  return run(prepare(std::move(step), method, state), method, state, weight, purpose);
}

StepResult Engine::run(const PreparedStep& prepared, const algorithm::Method& method,
                       const algorithm::State& state, double weight, Purpose purpose) const {
  StepResult result =
      accumulate(prepared, method, state, prepared.all(), prepared.batch.totals, weight, purpose);
  for (const auto& [name, metric] : prepared.metrics) algorithm::fold(result.metrics, name, metric);
  return result;
}

}  // namespace attune::training
