// Which frozen model a run compares with, and whether it is held in memory or only its numbers are.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "training/method_needs.h"
#include "training/options.h"
#include "training/step/engine.h"
#include "training/term.h"

namespace attune::training {

/// Whether a run holds a second model beside its policy.
/// @param adapter the policy is trained by an adapter, so it carries its own start
/// @param compared some method compares with a reference
bool holds_second_model(const TrainRecipe& recipe, bool adapter, bool compared);

/// Whether a signal is read from the model as it was before training: the reference, or a teacher without a
/// model of its own. For any_term().
inline auto reads_start(const TrainRecipe& recipe) {
  return [own_teacher = !recipe.teacher.path.empty()](const algorithm::Need& need) {
    return reads_reference(need) || (reads_teacher(need) && !own_teacher);
  };
}

/// Says before training what reference.cache could not give a method: it keeps what the reference says of
/// tokens, and no model that could be asked for more. @throws Error{kRequest}
/// @param adapter the policy is trained by an adapter, so it carries its own start
void check_cache(const TrainRecipe& recipe, bool adapter, const algorithm::Method& method);

class ReferenceModel {
 public:
  /// Loads a second model where one is needed: methods compare with a reference, and the policy does not
  /// carry it (a LoRA run does: adapter off, or the frozen copy of a continued one, unless the reference
  /// moves), and a cache does not replace it.
  /// @throws Error{kRequest} as Model::load does
  ReferenceModel(const TrainRecipe& recipe, const model::Model& policy, const std::vector<MethodTerm>& terms);

  FrozenModels frozen() const {
    return {model_ ? &*model_ : nullptr, head_, nullptr, teacher_ ? &*teacher_ : nullptr};
  }
  /// With reference.sync: the copy that is refreshed, whole weights without an adapter. Null otherwise.
  model::Model* moving() { return recipe_.reference.sync && model_ ? &*model_ : nullptr; }
  /// With reference.cache: gives every term that reads the reference its cache, training and held-out data
  /// alike. The policy must still be what it starts as.
  /// @param say told once when there is something to compute
  void fill_caches(model::Model& policy, std::vector<MethodTerm>& terms, const EngineOptions& engine,
                   const std::function<void(const std::string&)>& say);

 private:
  const TrainRecipe& recipe_;
  std::optional<model::Model> model_, teacher_;
  model::Head head_;  ///< a copy of the reference's output head, where whole distributions are cached
};

}  // namespace attune::training
