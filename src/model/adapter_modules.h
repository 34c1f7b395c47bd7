// Which modules of a model an adapter's settings mean.
#pragma once

#include <set>
#include <string>

#include "model/adapter_targets.h"
#include "model/transformer.h"

namespace attune::model {

/// "model.norm.weight" → "model.norm".
std::string module_of(const std::string& tensor);
/// The last names of all layers that can have an adapter, for messages.
std::string last_names(const TransformerWeights& weights);
/// Whether a layer of for_each_adaptable() gets an adapter.
bool is_target(const TargetMatcher& matcher, const TransformerWeights& weights, const Linear& linear);
/// Paths of the modules that an adapter's options train in full. @param weights may be a skeleton
/// @throws Error{kRequest} for a name that means none
std::set<std::string> modules_in_full(TransformerWeights& weights, const ModelConfig& config,
                                      const AdapterOptions& options);

}  // namespace attune::model
