// The engine: one optimiser step of any method on any model. It reads the signals that the method asks for
// over packed micro-batches, gets the coefficients, and pushes them through the model. How a step is split
// into micro-batches changes the result by rounding only.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "algorithm/method.h"
#include "model/model.h"
#include "model/signal.h"
#include "training/step/step.h"

namespace attune::training {

/// Where the reference's numbers come from.
struct Reference {
  /// A second model, or null: the policy's own frozen weights (adapter off, or the frozen copy of a continued
  /// one).
  const model::Model* model = nullptr;
  /// What reads cached hidden states (Step::reference_hidden): the reference's output head.
  model::Head head = {};
};

struct EngineOptions {
  std::int64_t micro_batch_tokens = 2048;  ///< stream tokens computed at a time
  bool share_prefixes = true;
  double temperature = 1;  ///< logits are divided by it (rollouts that sample at another temperature)
  std::uint64_t seed = 0;  ///< keys dropout
  double adapter_dropout = 0;
};

struct StepResult {
  double loss = 0;
  algorithm::Metrics metrics;
  std::int64_t computed_tokens = 0;  ///< stream tokens of the policy's forward passes that were trained on
};

class Engine {
 public:
  Engine(model::Model& policy, Reference reference, EngineOptions options);

  /// Loss and metrics of the step; adds weight × gradients to the .grad of the policy's trained parameters.
  /// Gradients are left out with `train` false (evaluation).
  StepResult run(const Step& step, const algorithm::Method& method, algorithm::State& state,
                 double weight = 1, bool train = true);

  /// Reads one vocabulary signal for every trained token of the step: per candidate (scoring, reference
  /// caches).
  std::vector<std::vector<double>> read(const Step& step, const std::string& signal,
                                        algorithm::Source source);

  /// Hidden states at every trained token of the step: per candidate [tokens, D] (reference caches).
  std::vector<at::Tensor> read_hidden(const Step& step, algorithm::Source source);

 private:
  /// Numbers at the rows of a readout: [M] or [M, D].
  using TokenReader = std::function<at::Tensor(const model::SignalModel&, const model::Readout&)>;
  /// What it reads at every trained token of the step, per candidate.
  std::vector<at::Tensor> read_tokens(const Step& step, algorithm::Source source, const TokenReader& read);

  class Pass;  ///< one step while it is computed

  model::Model& policy_;
  Reference reference_;
  EngineOptions options_;
};

}  // namespace attune::training
