// Which modules the settings of an adapter concern: names, suffixes, patterns, as PEFT matches them.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/json.h"
#include "core/pattern.h"
#include "model/adapter.h"
#include "model/config.h"
#include "model/config_reader.h"

namespace attune::model {

/// Which linear layers get an adapter. A list of suffixes ("q_proj", "self_attn.q_proj"), one regular
/// expression over whole paths (a single entry with characters such as * or |), or "all-linear".
class TargetMatcher {
 public:
  /// @throws Error{kRequest} for an invalid regular expression.
  explicit TargetMatcher(std::vector<std::string> targets);
  bool matches(const std::string& path) const;
  /// The same for the embedding and the output head, which all-linear does not mean.
  bool names(const std::string& path) const;
  static bool is_regex(const std::vector<std::string>& targets);

 private:
  std::vector<std::string> targets_;
  std::optional<core::Pattern> pattern_;
};

/// The targets that an adapter of these options gets in such a model: target_modules, or the adapter's
/// default.
std::vector<std::string> adapter_targets(const ModelConfig& config, const AdapterOptions& options);

/// The modules that modules_to_save means, as PEFT matches them: those whose path, or the path of a module
/// that holds them, ends in one of the names.
/// @param paths of every module of the model that has weights
std::set<std::string> saved_modules(const std::vector<std::string>& names,
                                    const std::vector<std::string>& paths);

/// What a map from modules to values (rank_pattern, alpha_pattern of adapter_config.json) says of the module:
/// the value of the first key that is, or as a pattern matches, the end of its path. Null when none does.
/// @throws Error{kRequest} for an invalid regular expression.
const core::Json* pattern_value(const ConfigReader& config, const char* key, const std::string& path);

}  // namespace attune::model
