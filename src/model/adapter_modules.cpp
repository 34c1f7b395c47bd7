#include "model/adapter_modules.h"

#include "core/config/nearest.h"
#include "core/error.h"
#include "model/files/tensor_slots.h"

namespace attune::model {
namespace {

std::string last_name(const std::string& path) { return path.substr(path.rfind('.') + 1); }

/// Paths of every module with weights; of a model whose head is tied, the head as well.
std::vector<std::string> module_paths(TransformerWeights& weights, const ModelConfig& config) {
  std::set<std::string> paths;
  for (const TensorSlot& slot : tensor_slots(weights, config)) paths.insert(module_of(slot.name));
  if (!config.is_classifier()) paths.insert(weights.head.path);
  return {paths.begin(), paths.end()};
}

}  // namespace

std::string last_names(const TransformerWeights& weights) {
  std::set<std::string> names;
  for_each_adaptable(weights, [&](const Linear& linear) { names.insert(last_name(linear.path)); });
  return fmt::format("{}", fmt::join(names, ", "));
}

bool is_target(const TargetMatcher& matcher, const TransformerWeights& weights, const Linear& linear) {
  const bool of_body = !linear.lookup && &linear != &weights.head;
  return of_body ? matcher.matches(linear.path) : matcher.names(linear.path);
}

std::string module_of(const std::string& tensor) { return tensor.substr(0, tensor.rfind('.')); }

std::set<std::string> modules_in_full(TransformerWeights& weights, const ModelConfig& config,
                                      const AdapterOptions& options) {
  const auto paths = module_paths(weights, config);
  for (const std::string& name : options.modules_to_save) {
    bool known = !saved_modules({name}, paths).empty();
    for (const auto& [head, linear] : weights.named_heads) known = known || linear.path.ends_with(name);
    if (known) continue;
    std::set<std::string> last;
    for (const std::string& path : paths) last.insert(last_name(path));
    core::fail_request("adapter.modules_to_save: {} means no module of this model{}", name,
                       core::did_you_mean(name, {last.begin(), last.end()}));
  }
  return saved_modules(options.modules_to_save, paths);
}

}  // namespace attune::model
