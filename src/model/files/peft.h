// PEFT's adapter folders (formats.md §8): adapter_config.json and adapter_model.safetensors of any kind of
// adapter that model/adapter/ knows.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/json.h"
#include "model/adapter.h"
#include "model/files/safetensors.h"

namespace attune::model {

/// The prefix of every key in adapter_model.safetensors.
inline constexpr const char* kPeftPrefix = "base_model.model.";

/// A checked adapter folder.
struct PeftFolder {
  std::string path;
  core::Json config;  ///< adapter_config.json
  const Adapter* kind;
  WeightFiles files;
  /// The tensors of each module's adapter in the order of kind->tensors(), by module path.
  std::map<std::string, std::vector<const StoredTensor*>> layers;
  /// Full copies of other modules' tensors, by name without the prefix.
  std::map<std::string, const StoredTensor*> saved_modules;

  /// @throws Error{kRequest}: a kind of adapter that is not known, features that are not there, a module with
  /// a part of its tensors …
  explicit PeftFolder(const std::string& folder);
  /// One module's adapter. @throws Error{kRequest} when it does not fit the layer.
  LayerAdapter load(const std::string& module, std::int64_t out, std::int64_t in, at::ScalarType type) const;

 private:
  void sort_in(const std::string& name);
};

/// What adapter_config.json says of an adapter, in our words. @throws Error{kRequest}
AdapterOptions adapter_options_of(const std::string& folder);

/// base_model_name_or_path of adapter_config.json. @throws Error{kRequest} when missing.
std::string base_of_adapter(const std::string& folder);

/// adapter_config.json of an adapter that was trained from `options`. `modules` are the last names of the
/// layers that have one, which is what "all-linear" stands for.
core::Json adapter_config_json(const AdapterOptions& options, const std::string& base,
                               const std::vector<std::string>& modules, bool conv1d);

}  // namespace attune::model
