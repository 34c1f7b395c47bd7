// Finding the chat templates of a model folder.
#include <fmt/format.h>

#include "core/error.h"
#include "core/files/files.h"
#include "text/chat_template.h"
#include "text/tokenizer/special_tokens.h"

namespace attune::text {
namespace {

using core::Json;
namespace fs = core::fs;

struct Source {
  std::string name;
  std::string text;
  std::string where;
};
using Sources = std::vector<Source>;

constexpr std::uint64_t kMaxTemplateBytes = std::uint64_t{8} << 20;

Sources from_files(const fs::path& folder) {
  Sources out;
  if (const auto file = folder / "chat_template.jinja"; fs::exists(file))
    out.push_back({"default", core::read_file(file.string(), kMaxTemplateBytes), file.string()});
  const auto extras = folder / "additional_chat_templates";
  if (!fs::is_directory(extras)) return out;
  for (const auto& entry : fs::directory_iterator(extras))
    if (entry.path().extension() == ".jinja")
      out.push_back({entry.path().stem().string(), core::read_file(entry.path().string(), kMaxTemplateBytes),
                     entry.path().string()});
  return out;
}

/// The value of a "chat_template" key: a string, or a list of {"name", "template"}.
Sources from_json(const Json& config, const std::string& where) {
  const auto found = config.is_object() ? config.find("chat_template") : config.end();
  if (!config.is_object() || found == config.end() || found->is_null()) return {};
  const std::string place = where + ", chat_template";
  if (found->is_string()) return {{"default", found->get<std::string>(), place}};
  Sources out;
  if (!found->is_array())
    core::fail_request("{}: must be a string or a list, not {}", place, found->type_name());
  for (const auto& entry : *found) {
    const auto text_of = [&](const char* key) {
      if (!entry.is_object() || !entry.contains(key) || !entry[key].is_string())
        core::fail_request("{}: each entry needs the strings \"name\" and \"template\"", place);
      return entry[key].get<std::string>();
    };
    const std::string name = text_of("name");
    out.push_back({name, text_of("template"), fmt::format("{} \"{}\"", place, name)});
  }
  return out;
}

Json read_if_there(const fs::path& file) {
  return fs::exists(file) ? core::read_json_file(file.string()) : Json::object();
}

}  // namespace

std::optional<ChatTemplate> ChatTemplate::load(const std::string& model_folder) {
  const fs::path folder(model_folder);
  const Json config = read_if_there(folder / "tokenizer_config.json");
  Sources sources = from_files(folder);
  if (sources.empty()) sources = from_json(config, (folder / "tokenizer_config.json").string());
  if (const auto legacy = folder / "chat_template.json"; sources.empty())
    sources = from_json(read_if_there(legacy), legacy.string());
  if (sources.empty()) return std::nullopt;

  ChatTemplate out;
  for (const auto& named : read_token_settings(model_folder, config, {}, {}).named)
    out.special_tokens_[named.name] = named.token.content;
  for (auto& source : sources)  // others can only be asked for by name, which no option does
    if (source.name == "default" || source.name == "tool_use")
      out.add_variant(source.name, std::move(source.text), std::move(source.where));
  out.choose(Json());  // refuses a folder without a default
  return out;
}

}  // namespace attune::text
