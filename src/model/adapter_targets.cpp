#include "model/adapter_targets.h"

#include <algorithm>

#include "model/family.h"

namespace attune::model {
namespace {

bool is_suffix(const std::string& path, const std::string& suffix) {
  return path == suffix || path.ends_with("." + suffix);
}

bool has_regex_characters(const std::string& text) {
  return text.find_first_of("*+?()[]{}|^$\\") != std::string::npos;
}

/// A pattern that is matched against names of modules, which are short; an adapter's comes from outside.
core::Pattern module_pattern(const std::string& pattern, const std::string& where) {
  return {pattern, where, {.ignore_case = false, .steps = 100'000}};
}
constexpr auto kWhole = core::Pattern::Part::kWhole;  // as PEFT's re.fullmatch

}  // namespace

TargetMatcher::TargetMatcher(std::vector<std::string> targets) : targets_(std::move(targets)) {
  if (is_regex(targets_)) pattern_ = module_pattern(targets_[0], "adapter.target_modules");
}

bool TargetMatcher::is_regex(const std::vector<std::string>& targets) {
  return targets.size() == 1 && has_regex_characters(targets[0]);
}

bool TargetMatcher::matches(const std::string& path) const {
  if (pattern_) return pattern_->matches(path, kWhole);
  return std::any_of(targets_.begin(), targets_.end(), [&](const std::string& target) {
    return target == "all-linear" || is_suffix(path, target);
  });
}

bool TargetMatcher::names(const std::string& path) const {
  const bool all = std::find(targets_.begin(), targets_.end(), "all-linear") != targets_.end();
  return !all && matches(path);
}

std::set<std::string> saved_modules(const std::vector<std::string>& names,
                                    const std::vector<std::string>& paths) {
  std::set<std::string> found;
  for (const std::string& path : paths)
    for (std::size_t end = path.size(); end != std::string::npos && end > 0; end = path.rfind('.', end - 1)) {
      const std::string module = path.substr(0, end);
      if (std::any_of(names.begin(), names.end(), [&](const auto& name) { return module.ends_with(name); }))
        found.insert(path);
    }
  return found;
}

std::vector<std::string> adapter_targets(const ModelConfig& config, const AdapterOptions& options) {
  if (!options.target_modules.empty()) return options.target_modules;
  return adapter_named(options.type).default_targets(family_with(config).info());
}

const core::Json* pattern_value(const ConfigReader& config, const char* key, const std::string& path) {
  const core::Json* patterns = config.find(key);
  if (!patterns || !patterns->is_object()) return nullptr;
  for (const auto& [pattern, value] : patterns->items()) {
    const bool plain = !has_regex_characters(pattern);
    if (plain
            ? is_suffix(path, pattern)
            : module_pattern("(.*\\.)?(" + pattern + ")", config.where() + ": " + key).matches(path, kWhole))
      return &value;
  }
  return nullptr;
}

}  // namespace attune::model
