#include "training/term.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "training/step/phase.h"

namespace attune::training {
namespace {

/// Every token of the sequences, without those of derived candidates.
std::int64_t tokens_of(const Step& step, const std::vector<std::int64_t>& items) {
  std::int64_t tokens = 0;
  for (const std::int64_t item : items) {
    const auto i = static_cast<std::size_t>(item);
    if (step.candidates[i].role != algorithm::Role::kDerived) tokens += std::ssize(step.items[i].ids);
  }
  return tokens;
}

algorithm::Totals totals_of(const algorithm::Batch& step, const std::vector<std::int64_t>& items) {
  if (std::ssize(items) == step.size()) return step.totals;
  const algorithm::Batch part = step.select(items);
  return algorithm::totals_of(part.offsets, part.candidates);
}

}  // namespace

void StepProgress::begin(PreparedStep prepared, const StepUse& use) {
  prepared_ = std::move(prepared);
  parts_ = group_parts(prepared_.step, use.minibatches);
  next_ = 0;
  total_ = use.passes * std::ssize(parts_);
}

void StepProgress::advance() {
  ++next_;
  ++prepared_.passes;
}

std::optional<TermUpdate> learn_once(MethodTerm& term, const Engine& engine, std::uint64_t update,
                                     const std::function<void(Step&)>& on_step) {
  if (term.progress.between_steps()) {
    Step step = [&] {
      const Phase phase("data");
      return term.steps->next(update);
    }();
    on_step(step);
    if (step.size() == 0) return std::nullopt;
    if (term.cache) term.cache->fill(step);
    const StepUse use = term.steps->use();
    term.progress.begin(engine.prepare(std::move(step), *term.method, term.state, use.updates()), use);
  }
  const PreparedStep& prepared = term.progress.prepared();
  const auto& items = term.progress.part();
  TermUpdate learned;
  learned.tokens = tokens_of(prepared.step, items);
  learned.result = engine.accumulate(prepared, *term.method, term.state, items,
                                     totals_of(prepared.batch, items), term.weight);
  if (term.progress.first())
    for (const auto& [name, metric] : prepared.metrics) algorithm::fold(learned.result.metrics, name, metric);
  return learned;
}

std::unique_ptr<StepSource> evaluation_steps(const MethodTerm& term, const TrainingOptions& options,
                                             const model::ModelConfig& config) {
  return std::make_unique<DatasetSteps>(DataStream(*term.eval, {options.batch_size, 0, false, 0}),
                                        *term.method, config);
}

std::int64_t updates_in(const TrainingOptions& options, double updates_per_epoch) {
  if (options.max_steps > 0) return options.max_steps;
  return std::max<std::int64_t>(1, std::llround(std::ceil(options.epochs * updates_per_epoch - 1e-9)));
}

std::int64_t total_updates(const std::vector<MethodTerm>& terms, const TrainingOptions& options) {
  ATTUNE_ASSERT(!terms.empty());
  if (options.max_steps > 0) return options.max_steps;  // counting the batches may mean walking the data
  const StepSource& steps = *terms.front().steps;
  return updates_in(options, static_cast<double>(steps.steps_per_epoch() * steps.use().updates()));
}

}  // namespace attune::training
