// The engine: one step of any method on any model. It reads the signals that the method asks for over packed
// micro-batches, gets the coefficients, and pushes them through the model. How a step is split into
// micro-batches changes the result by rounding only.
//
//   prepare(step)      once: signals of frozen models and of the policy that sampled, and what the method
//                      fixes
//   accumulate(part)   for each update: the policy's signals, loss, coefficients, gradients
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "algorithm/method.h"
#include "model/model.h"
#include "training/processes.h"
#include "training/step/frozen_models.h"
#include "training/step/step.h"

namespace attune::training {

struct EngineOptions {
  std::int64_t micro_batch_tokens = 2048;  ///< stream tokens computed at a time
  bool share_prefixes = true;
  double temperature = 1;  ///< logits are divided by it (rollouts that sample at another temperature)
  std::uint64_t seed = 0;  ///< keys dropout
  double adapter_dropout = 0;
  /// Sees and may change every pass of the policy, as it is trained and as the old one; gradients flow through
  /// what it does. Other models are read without it. Null: none. Outlives the engine.
  model::Tap* tap = nullptr;
};

/// What a pass over a step gives.
enum class Purpose {
  kTrain,     ///< loss, metrics and gradients
  kLook,      ///< loss and metrics
  kEvaluate,  ///< loss and metrics, of the step and of each group
};

/// What one group of a step, a record with its prompt, says by itself. Its loss has the totals of the whole
/// step, so losses of groups add up where the method does not couple them.
struct GroupResult {
  std::int64_t first = 0;  ///< its first item in the step
  double loss = 0;
  algorithm::Metrics metrics;
};

struct StepResult {
  double loss = 0;
  algorithm::Metrics metrics;
  std::int64_t computed_tokens = 0;  ///< stream tokens of the policy's forward passes that were trained on
  /// Of an evaluation, on the process that leads; empty where the method has no loss of one group.
  std::vector<GroupResult> groups;
};

/// A step whose frozen signals are read and whose prepared numbers are fixed; whole or in parts it can be
/// learned from several times.
struct PreparedStep {
  Step step;
  algorithm::Batch batch;      ///< the whole step: feedback, signals that do not move, what prepare() fixed
  algorithm::Metrics metrics;  ///< what prepare() reports
  std::uint64_t passes = 0;    ///< updates that have learned from it so far: keys dropout

  std::vector<std::int64_t> all() const;  ///< every item
};

class Engine {
 public:
  /// @param processes that share every step: all call prepare() and accumulate() with the same
  Engine(model::Model& policy, FrozenModels frozen, EngineOptions options, Processes processes = {});

  /// @param updates how many updates will learn from the step. Of several all but the first need the old
  /// policy's signals, which are then read here; one update may take them from its own pass.
  PreparedStep prepare(Step step, const algorithm::Method& method, algorithm::State& state,
                       std::int64_t updates = 1) const;

  /// Loss and metrics of some items (whole groups) with the policy as it is; adds weight × gradients to the
  /// .grad of its trained parameters where it is to train. Of several processes each adds the gradients of
  /// its own share (sum_gradients() brings them together), and all return loss and metrics of the whole.
  /// @param totals of what one update learns from: these items, on all processes
  StepResult accumulate(const PreparedStep& prepared, const algorithm::Method& method,
                        const algorithm::State& state, std::span<const std::int64_t> items,
                        const algorithm::Totals& totals, double weight = 1,
                        Purpose purpose = Purpose::kTrain) const;

  /// accumulate() of a whole step, with what prepare() reported.
  StepResult run(const PreparedStep& prepared, const algorithm::Method& method, const algorithm::State& state,
                 double weight = 1, Purpose purpose = Purpose::kTrain) const;
  /// prepare() and run().
  StepResult run(Step step, const algorithm::Method& method, algorithm::State& state, double weight = 1,
                 Purpose purpose = Purpose::kTrain) const;

  /// Reads a model of the run as the engine does.
  generation::Scorer scorer(algorithm::Source source) const;

 private:
  class Pass;  ///< one accumulate() while it is computed

  /// Reads signals of one model (and the one it is compared with) over the whole step, each process its share
  /// of it.
  void read_frozen(const Step& step, const std::vector<algorithm::Need>& needs,
                   algorithm::Signals& signals) const;
  /// What a cache keeps of the reference for these items: its states where tokens are predicted, and its
  /// head.
  model::SignalModel cached_reference(const Step& step, std::span<const std::int64_t> items) const;
  std::vector<at::Tensor> read_cached(const Step& step, std::pair<std::size_t, std::size_t> own,
                                      const std::vector<generation::Reading>& readings) const;
  generation::ScorerOptions scorer_options() const;

  model::Model& policy_;
  FrozenModels frozen_;
  EngineOptions options_;
  Processes processes_;
};

}  // namespace attune::training
