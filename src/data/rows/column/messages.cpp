#include "data/rows/column/messages.h"

#include <map>

#include "core/ascii.h"
#include "data/rows/column/columns.h"

namespace attune::data {
namespace {

/// ShareGPT's function_call: the value is {"name", "arguments"}, or a list of these, as JSON text.
core::Json tool_call_message(const core::Json& content) {
  core::Json parsed;
  std::string why;
  core::Json calls = core::Json::array();
  if (content.is_string() && core::try_parse_json(content.get_ref<const std::string&>(), parsed, why)) {
    if (parsed.is_object()) parsed = core::Json::array({parsed});
    if (parsed.is_array())
      for (const auto& call : parsed)
        if (has_column(call, "name")) calls.push_back({{"type", "function"}, {"function", call}});
  }
  core::Json out = {{"role", "assistant"}, {"content", calls.empty() ? content : core::Json("")}};
  if (!calls.empty()) out["tool_calls"] = std::move(calls);
  return out;
}

/// Where a message says its words: "content" or ShareGPT's "value"; "" when nowhere.
std::string words_of(const core::Json& message) {
  for (const char* name : {"content", "value"})
    if (message.contains(name)) return name;
  return "";
}

bool has_usual_keys(const core::Json& value) {
  if (has_column(value, "role")) return value.at("role").is_string();
  return has_column(value, "from") && value.at("from").is_string() && !words_of(value).empty();
}

/// {"Role", "Content"} → {"role", "content"}.
core::Json with_usual_keys(const core::Json& found) {
  core::Json out = core::Json::object();
  for (const auto& [name, value] : found.items()) out[core::snake_case(name)] = value;
  return out;
}

}  // namespace

std::string chat_role(const std::string& name) {
  static const std::map<std::string, std::string> roles = {
      {"human", "user"},       {"gpt", "assistant"},   {"chatgpt", "assistant"},   {"bing", "assistant"},
      {"observation", "tool"}, {"model", "assistant"}, {"prompter", "user"},       {"bot", "assistant"},
      {"user", "user"},        {"system", "system"},   {"assistant", "assistant"}, {"tool", "tool"}};
  const auto found = roles.find(core::lowercase(name));
  return found == roles.end() ? name : found->second;
}

core::Json usual_message(const core::Json& message) {
  const core::Json found = has_usual_keys(message) ? message : with_usual_keys(message);
  const std::string who = has_column(found, "role") ? "role" : "from", what = words_of(found);
  const std::string role = found.at(who).get<std::string>();
  if (role == "function_call" && !what.empty()) return tool_call_message(found.at(what));
  if (who == "role" && what != "value" && chat_role(role) == role) return found;
  if (who == "role" && what.empty()) {
    core::Json out = found;
    out["role"] = chat_role(role);
    return out;
  }
  core::Json out = {{"role", chat_role(role)}};
  if (!what.empty()) out["content"] = found.at(what);
  for (const auto& [name, value] : found.items())
    if (name != who && name != what) out[name] = value;
  return out;
}

bool is_message(const core::Json& value) {
  return has_usual_keys(value) || (value.is_object() && has_usual_keys(with_usual_keys(value)));
}

}  // namespace attune::data
