#include "training/hook.h"

#include <map>

#include "core/config/nearest.h"
#include "core/error.h"

namespace attune::training {
namespace {

std::string name_of(const core::Value& setting, const std::string& key) {
  const core::Value* name = setting.is_map() ? setting.find("name") : &setting;
  if (name == nullptr) core::fail_request("{}: {} needs a name", setting.place(), key);
  return name->to_json().is_string() ? name->to_json().get<std::string>() : name->to_json().dump();
}

/// What `hooks` lists, by name; options may be missing.
std::map<std::string, core::Value> asked_hooks(const core::Value& hooks) {
  std::map<std::string, core::Value> asked;
  if (hooks.is_null()) return asked;
  const auto add = [&](const core::Value& setting, const std::string& key) {
    if (!asked.emplace(name_of(setting, key), setting).second)
      core::fail_request("{}: the hook is asked for twice", key);
  };
  if (!hooks.is_list())
    add(hooks, "hooks");
  else
    for (std::size_t i = 0; i < hooks.items().size(); ++i) add(hooks.items()[i], fmt::format("hooks[{}]", i));
  return asked;
}

}  // namespace

Hooks make_hooks(const TrainRecipe& recipe) {
  auto asked = asked_hooks(recipe.hooks);
  Hooks hooks;
  std::vector<std::string> known;
  for (const auto& [name, make] : hook_entries()) {
    known.emplace_back(name);
    auto hook = make();
    const auto found = asked.find(known.back());
    if (found != asked.end()) {
      core::Value options = found->second;
      asked.erase(found);
      if (options.is_map()) {
        std::erase_if(options.entries(), [](const auto& entry) { return entry.first == "name"; });
        hook->fields().assign_all(options, "hooks." + known.back());
      }
    } else if (!hook->asked_by(recipe)) {
      continue;
    }
    hook->require(recipe);
    hooks.push_back(std::move(hook));
  }
  if (!asked.empty())
    core::fail_request("hooks: there is no hook '{}'{}", asked.begin()->first,
                       core::did_you_mean(asked.begin()->first, known));
  return hooks;
}

}  // namespace attune::training
