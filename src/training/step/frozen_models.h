// The models beside the policy that methods read signals from. None of them is trained by the engine.
#pragma once

#include <string>

#include "algorithm/method.h"
#include "data/packing.h"
#include "generation/scorer.h"
#include "model/model.h"

namespace attune::training {

struct FrozenModels {
  /// A second model, or null: the policy's own frozen weights (adapter off, or the frozen copy of a continued
  /// one).
  const model::Model* reference = nullptr;
  /// What reads cached hidden states (Step::reference_hidden): the reference's output head.
  model::Head reference_head = {};
  const model::Model* old =
      nullptr;  ///< what sampled the candidates; null: the policy before the step's updates
  const model::Model* teacher = nullptr;  ///< null: the reference, which may see another prompt
  const model::Model* reward = nullptr;   ///< null: methods that read it are refused
  const model::Model* value = nullptr;    ///< null: methods that read it are refused
};

/// Reads a source that is not trained. The policy's weights are read as they are at that moment.
/// @throws Error{kRequest}: the run has no such model
generation::Scorer scorer_of(algorithm::Source source, const model::Model& policy, const FrozenModels& frozen,
                             const generation::ScorerOptions& options);

/// Says before training what the engine could not read. @throws Error{kRequest} naming method and signal:
/// a gradient towards anything but the policy, or of a signal that has none; a model that is not there; one
/// signal at two kinds of positions, which a batch would hold under one key
void check_needs(const algorithm::Method& method, const FrozenModels& frozen);

}  // namespace attune::training
