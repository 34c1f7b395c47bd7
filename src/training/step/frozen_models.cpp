#include "training/step/frozen_models.h"

#include <map>
#include <string_view>

#include "core/error.h"

namespace attune::training {
namespace {

using algorithm::Need;
using algorithm::Source;

const model::Model& present(const model::Model* model, const char* what) {
  if (model == nullptr) core::fail_request("the method reads a {} model, and this run has none", what);
  return *model;
}

void check_need(const Need& need, const std::string& method) {
  const model::Signal& signal = model::signal_named(need.signal);
  if (signal.needs_reference() && need.against != Source::kReference && need.against != Source::kTeacher)
    core::fail_request(
        "{}: '{}' compares with a model that moves or has no vocabulary; compare with the reference or a "
        "teacher",
        method, need.key());
  if (!need.gradient) return;
  if (need.source != Source::kPolicy)
    core::fail_request("{}: '{}' is read from a model that is not trained, so it can have no gradient",
                       method, need.key());
  if (!signal.differentiable())
    core::fail_request("{}: the signal '{}' has no gradient", method, need.signal);
}

std::string_view words_of(algorithm::Positions at) {
  switch (at) {
    case algorithm::Positions::kTokens:
      return "each token";
    case algorithm::Positions::kLast:
      return "the last token";
    case algorithm::Positions::kStepEnds:
      return "the ends of steps";
  }
  return "";
}

/// A batch keeps a signal by its key, which says nothing of the place.
void check_places(const std::vector<Need>& needs, const std::string& method) {
  std::map<std::string, algorithm::Positions> places;
  for (const Need& need : needs) {
    const auto at = places.try_emplace(need.key(), need.at).first->second;
    if (at != need.at)
      core::fail_request(
          "{}: '{}' is read at {} and at {}; a method reads a signal of one model at one kind of place",
          method, need.key(), words_of(at), words_of(need.at));
  }
}

}  // namespace

generation::Scorer scorer_of(Source source, const model::Model& policy, const FrozenModels& frozen,
                             const generation::ScorerOptions& options) {
  const auto start = [&]() -> generation::Scorer {
    if (frozen.reference != nullptr) return {*frozen.reference, model::Weights::kPolicy, options};
    return {policy, model::Weights::kReference, options};
  };
  switch (source) {
    case Source::kPolicy:
      return {policy, model::Weights::kPolicy, options};
    case Source::kReference:
      return start();
    case Source::kOld:
      return {frozen.old != nullptr ? *frozen.old : policy, model::Weights::kPolicy, options};
    case Source::kTeacher:
      if (frozen.teacher == nullptr) return start();
      return {*frozen.teacher, model::Weights::kPolicy, options};
    case Source::kReward:
      return {present(frozen.reward, "reward"), model::Weights::kPolicy, options};
    case Source::kValue:
      return {present(frozen.value, "value"), model::Weights::kPolicy, options};
  }
  ATTUNE_ASSERT(false);
  return {policy, model::Weights::kPolicy, options};
}

void check_needs(const algorithm::Method& method, const FrozenModels& frozen) {
  check_places(method.needs(), method.info().name);
  for (const Need& need : method.needs()) {
    check_need(need, method.info().name);
    if (need.source == Source::kReward) present(frozen.reward, "reward");
    if (need.source == Source::kValue) present(frozen.value, "value");
  }
}

}  // namespace attune::training
