// PEFT's LoRA folders (formats.md §8): which modules an adapter targets, reading and writing its files.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/json.h"
#include "core/pattern.h"
#include "model/model.h"
#include "model/files/safetensors.h"

namespace attune::model {

/// The prefix of every key in adapter_model.safetensors.
inline constexpr const char* kPeftPrefix = "base_model.model.";

/// Which linear layers get an adapter. A list of suffixes ("q_proj", "self_attn.q_proj"), one regular
/// expression over whole paths (a single entry with characters such as * or |), or "all-linear".
class TargetMatcher {
 public:
  /// @throws Error{kRequest} for an invalid regular expression.
  explicit TargetMatcher(std::vector<std::string> targets);
  bool matches(const std::string& path) const;
  static bool is_regex(const std::vector<std::string>& targets);

 private:
  std::vector<std::string> targets_;
  std::optional<core::Pattern> pattern_;
};

/// One layer's adapter as read.
struct StoredLora {
  const StoredTensor* a = nullptr;
  const StoredTensor* b = nullptr;
};

/// A checked adapter folder.
struct PeftFolder {
  std::string path;
  core::Json config;  ///< adapter_config.json
  WeightFiles files;
  std::map<std::string, StoredLora> loras;  ///< by module path
  std::map<std::string, const StoredTensor*>
      saved_modules;  ///< full copies, by tensor name without the prefix

  /// @throws Error{kRequest}: not LoRA, DoRA, trained biases, embedding adapters, an A without its B …
  explicit PeftFolder(const std::string& folder);
  double alpha_of(const std::string& path) const;
  std::int64_t rank_of(const std::string& path) const;
  /// lora_alpha / r, or / sqrt(r) with use_rslora; per-module patterns applied.
  double scale_of(const std::string& path) const;
};

/// What adapter_config.json says of an adapter, in our words. @throws Error{kRequest}
AdapterOptions adapter_options_of(const std::string& folder);

/// base_model_name_or_path of adapter_config.json. @throws Error{kRequest} when missing.
std::string base_of_adapter(const std::string& folder);

}  // namespace attune::model
