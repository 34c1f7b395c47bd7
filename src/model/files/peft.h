// PEFT's adapter folders: adapter_config.json and adapter_model.safetensors of any kind of
// adapter that model/adapter/ knows.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "core/json.h"
#include "model/adapter.h"
#include "model/files/safetensors.h"
#include "model/transformer.h"

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
  std::set<std::string> lookups;  ///< those of them that are adapters of an embedding
  /// Full copies of other modules' tensors, by name without the prefix.
  std::map<std::string, const StoredTensor*> saved_modules;

  /// @throws Error{kRequest}: a kind of adapter that is not known, features that are not there, a module with
  /// a part of its tensors …
  explicit PeftFolder(const std::string& folder);
  /// One module's adapter. @throws Error{kRequest} when it does not fit the layer.
  LayerAdapter load(const Linear& layer, std::int64_t out, std::int64_t in, at::ScalarType type) const;

 private:
  void sort_in(const std::string& name);
  bool sort_into_layer(const StoredTensor* stored, const std::string& name, bool lookup);
};

/// What adapter_config.json says of an adapter, in our words. @throws Error{kRequest}
AdapterOptions adapter_options_of(const std::string& folder);

/// The base model of an adapter folder, a folder or a hub name: base_model_name_or_path of
/// adapter_config.json (a folder is looked for from the adapter's folder, then from the present one). A
/// folder that is gone is looked for where it stood relative to the adapter when that was written, as the two
/// may have moved together.
/// @throws Error{kRequest} when the key is missing, and when the base is nowhere: it names model.base
std::string base_of_adapter(const std::string& folder);

/// What is noted in adapter_model.safetensors so that base_of_adapter() finds a base that moved along.
/// @param folder where the adapter is written. @param base its base model's folder
std::map<std::string, std::string> base_notes(const std::string& folder, const std::string& base);

/// adapter_config.json of an adapter that was trained from `options`, without its base. `modules` are the
/// last names of the layers that have one, which is what "all-linear" stands for.
core::Json adapter_config_json(const AdapterOptions& options, const std::vector<std::string>& modules,
                               bool conv1d);

}  // namespace attune::model
