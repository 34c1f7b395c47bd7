#include <algorithm>

#include "cli/command.h"
#include "core/config/nearest.h"
#include "core/error.h"
#include "core/files/files.h"

namespace attune::cli {
namespace {

constexpr std::uint64_t kMostRecipeBytes = std::uint64_t{1} << 20;

bool ends_with(std::string_view text, std::string_view end) {
  return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}

bool is_recipe(std::string_view word) { return ends_with(word, ".yaml") || ends_with(word, ".yml"); }

[[noreturn]] void unknown_flag(const std::string& argument, const CommandInfo& info) {
  std::vector<std::string> known = {"json", "help"};
  known.insert(known.end(), info.flags.begin(), info.flags.end());
  const std::string name =
      argument.substr(argument.find_first_not_of('-') == std::string::npos ? argument.size()
                                                                           : argument.find_first_not_of('-'));
  const std::string word = name.substr(0, name.find('='));
  const std::string near = core::nearest(word, known);
  if (near == word && word != name) core::fail_request("argument '{}': --{} takes no value", argument, word);
  if (!near.empty()) core::fail_request("unknown flag '{}'; did you mean '--{}'?", argument, near);
  core::fail_request("unknown flag '{}'; settings are written without dashes, as {}=…", argument,
                     word.empty() ? "key" : word);
}

core::Value read_recipe(const std::string& path) {
  core::Value recipe = core::parse_yaml(core::read_file(path, kMostRecipeBytes), path);
  if (recipe.is_null()) return core::Value::map({}, path);
  if (!recipe.is_map())
    core::fail_request("{}: a recipe is a list of settings (key: value), found {}", recipe.place(),
                       recipe.described());
  return recipe;
}

}  // namespace

bool Request::has_flag(std::string_view name) const {
  return std::find(flags.begin(), flags.end(), name) != flags.end();
}

Request parse_request(const std::vector<std::string>& arguments, const CommandInfo& info,
                      const core::Fields& fields) {
  Request request;
  std::vector<std::string> settings;
  for (const std::string& argument : arguments) {
    if (argument == "--json") {
      request.json = true;
    } else if (argument.size() > 1 && argument[0] == '-') {
      const std::string name = argument.substr(std::min<std::size_t>(2, argument.size()));
      if (std::find(info.flags.begin(), info.flags.end(), name) == info.flags.end() || argument[1] != '-') {
        unknown_flag(argument, info);
      }
      request.flags.push_back(name);
    } else if (argument.find('=') != std::string::npos) {
      settings.push_back(argument);
    } else if (is_recipe(argument)) {
      if (!request.recipe.empty()) {
        core::fail_request("one recipe is enough, found '{}' and '{}'", request.recipe, argument);
      }
      request.recipe = argument;
    } else {
      request.words.push_back(argument);
    }
  }
  if (request.words.size() > info.max_words) {
    const std::string& word = request.words[info.max_words];
    core::fail_request("'{}' is neither a recipe (.yaml) nor a setting (key=value); see attune {} --help",
                       word, info.name);
  }
  if (request.words.size() < info.min_words) {
    core::fail_request("write attune {} {}; see attune {} --help", info.name, info.usage, info.name);
  }
  request.settings =
      request.recipe.empty() ? core::Value::map({}, "the command line") : read_recipe(request.recipe);
  const core::FirstField first = [&](std::string_view path) { return fields.first_field(path); };
  for (const std::string& setting : settings) {
    auto [key, value] = core::parse_argument(setting, kVerbatimKeys);
    request.settings.set(key, std::move(value), first);
  }
  return request;
}

}  // namespace attune::cli
