#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <functional>
#include <iterator>
#include <ranges>

#include "cli/command.h"
#include "cli/foreign/guide.h"
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

/// What stands at a dotted path, also as a short form, or null.
const core::Value* found_at(const core::Value& settings, std::string_view key,
                            const core::FirstField& first) {
  const core::Value* node = &settings;
  for (std::size_t start = 0; node != nullptr && start <= key.size();) {
    const std::size_t dot = std::min(key.find('.', start), key.size());
    const std::string_view name = key.substr(start, dot - start);
    const bool is_short = start > 0 && (node->is_scalar() || node->is_list());
    if (is_short) return dot == key.size() && first(key.substr(0, start - 1)) == name ? node : nullptr;
    node = node->find(name);
    start = dot + 1;
  }
  return node;
}

/// `training.max_steps: 5` is `training: {max_steps: 5}`, as on a command line.
core::Value nested(const core::Value& recipe, const core::FirstField& first) {
  const auto is_dotted = [](const auto& entry) { return entry.first.find('.') != std::string::npos; };
  core::Value settings = core::Value::map({}, recipe.place());
  std::ranges::copy_if(recipe.entries(), std::back_inserter(settings.entries()), std::not_fn(is_dotted));
  for (const auto& [key, value] : recipe.entries() | std::views::filter(is_dotted)) {
    const core::Value* other = found_at(settings, key, first);
    if (other != nullptr && other->to_json() != value.to_json())
      core::fail_request("{}: {} is {} here and {} in {}: give it once", value.place(), key,
                         value.described(), other->described(), other->place());
    if (other == nullptr) settings.set(key, value, first);
  }
  return settings;
}

core::Value read_recipe(const std::string& path, const core::FirstField& first) {
  const core::Value recipe = core::parse_yaml(core::read_file(path, kMostRecipeBytes), path);
  if (recipe.is_null()) return core::Value::map({}, path);
  if (!recipe.is_map())
    core::fail_request("{}: a recipe is a list of settings (key: value), found {}", recipe.place(),
                       recipe.described());
  return nested(recipe, first);
}

}  // namespace

bool Request::has_flag(std::string_view name) const {
  return std::find(flags.begin(), flags.end(), name) != flags.end();
}

namespace {

bool is_setting(std::string_view word) {
  const auto name_end = std::find_if(
      word.begin(), word.end(), [](unsigned char c) { return !std::isalnum(c) && c != '_' && c != '.'; });
  return name_end != word.begin() && name_end != word.end() && *name_end == '=';
}

/// -1 and -0.5 are values, no flags.
bool is_flag(std::string_view word) {
  return word.size() > 1 && word[0] == '-' && !std::isdigit(static_cast<unsigned char>(word[1])) &&
         word[1] != '.';
}

/// What a person typed, word by word.
class Words {
 public:
  Words(const std::vector<std::string>& arguments, const CommandInfo& info, const core::Fields& fields)
      : arguments_(arguments),
        info_(info),
        fields_(fields),
        takes_dashes_(fields_.find("method") != nullptr) {}

  /// Takes all of them apart. @return the settings, as key=value
  std::vector<std::string> read(Request& request) {
    while (at_ < arguments_.size()) {
      const std::string& argument = arguments_[at_++];
      if (argument == "--json") {
        request.json = true;
      } else if (argument.size() > 1 && argument[0] == '-') {
        read_flag(argument, request);
      } else if (argument.find('=') != std::string::npos) {
        settings_.push_back(argument);
      } else if (is_recipe(argument) || (takes_dashes_ && ends_with(argument, ".json"))) {
        read_recipe_name(argument, request);
      } else {
        request.words.push_back(argument);
      }
    }
    return settings_;
  }

 private:
  void read_recipe_name(const std::string& argument, Request& request) {
    if (!request.recipe.empty())
      core::fail_request("one recipe is enough, found '{}' and '{}'", request.recipe, argument);
    request.recipe = argument;
  }

  void read_flag(const std::string& argument, Request& request) {
    const std::string name = argument.substr(std::min<std::size_t>(2, argument.size()));
    const bool two_dashes = argument.starts_with("--");
    if (two_dashes && std::find(info_.flags.begin(), info_.flags.end(), name) != info_.flags.end()) {
      request.flags.push_back(name);
    } else if (two_dashes && takes_dashes_ && is_option(name)) {
      read_option(name, request);
    } else {
      unknown_flag(argument, info_);
    }
  }

  /// Whether a flag is no misspelling of one of the command's.
  bool is_option(const std::string& name) {
    const std::string key = key_of(name.substr(0, name.find('=')));
    if (fields_.find(key) != nullptr || find_guide_row(key) != nullptr || key == "config") return true;
    std::vector<std::string> flags = {"json", "help"};
    flags.insert(flags.end(), info_.flags.begin(), info_.flags.end());
    return std::isalpha(static_cast<unsigned char>(key[0])) != 0 && core::nearest(key, flags).empty();
  }

  static std::string key_of(std::string name) {
    std::replace(name.begin(), name.end(), '-', '_');
    return name;
  }

  /// `--flag value`, `--flag=value`, `--flag`, `--no_flag`, `--flag several values`, as argparse takes them.
  void read_option(const std::string& name, Request& request) {
    const std::size_t equals = name.find('=');
    std::string key = key_of(name.substr(0, equals));
    std::vector<std::string> values;
    if (equals != std::string::npos) {
      values.push_back(name.substr(equals + 1));
    } else {
      while (at_ < arguments_.size() && !is_flag(arguments_[at_]) && !is_setting(arguments_[at_]) &&
             (key == "config" || !is_recipe(arguments_[at_])))
        values.push_back(arguments_[at_++]);
    }
    if (key == "config" && !values.empty()) return read_recipe_name(values.front(), request);
    if (values.empty() && key.starts_with("no_") && find_guide_row(key) == nullptr) {
      settings_.push_back(key.substr(3) + "=false");
    } else if (values.empty()) {
      settings_.push_back(key + "=true");
    } else if (values.size() == 1) {
      settings_.push_back(key + "=" + values.front());
    } else {
      settings_.push_back(key + "=" + as_list(values));
    }
  }

  /// A list in YAML whose entries are what they would be alone: numbers stay numbers, and text is quoted.
  static std::string as_list(const std::vector<std::string>& values) {
    std::vector<std::string> entries;
    for (const std::string& value : values)
      entries.push_back(core::resolve_scalar(value).is_string() ? core::to_line(core::Json(value)) : value);
    return fmt::format("[{}]", fmt::join(entries, ", "));
  }

  const std::vector<std::string>& arguments_;
  const CommandInfo& info_;
  core::Fields fields_;
  bool takes_dashes_;
  std::size_t at_ = 0;
  std::vector<std::string> settings_;
};

}  // namespace

Request parse_request(const std::vector<std::string>& arguments, const CommandInfo& info,
                      const core::Fields& fields) {
  Request request;
  const std::vector<std::string> settings = Words(arguments, info, fields).read(request);
  if (request.words.size() > info.max_words) {
    const std::string& word = request.words[info.max_words];
    core::fail_request("'{}' is neither a recipe (.yaml) nor a setting (key=value); see attune {} --help",
                       word, info.name);
  }
  if (request.words.size() < info.min_words) {
    core::fail_request("write attune {} {}; see attune {} --help", info.name, info.usage, info.name);
  }
  const core::FirstField first = [&](std::string_view path) { return fields.first_field(path); };
  request.settings =
      request.recipe.empty() ? core::Value::map({}, "the command line") : read_recipe(request.recipe, first);
  for (const std::string& setting : settings) {
    auto [key, value] = core::parse_argument(setting, kVerbatimKeys);
    request.settings.set(key, std::move(value), first);
  }
  return request;
}

}  // namespace attune::cli
