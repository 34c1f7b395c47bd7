#include "data/tokens/conversation/thoughts.h"

#include <fmt/format.h>

#include "core/ascii.h"
#include "data/rows/column/columns.h"
#include "text/chat_template.h"

namespace attune::data {
namespace {

constexpr std::string_view kOpens = "<think>", kCloses = "</think>";

}  // namespace

std::string_view after_thought(std::string_view text) {
  const std::size_t closes = text.rfind(kCloses);
  return closes == std::string_view::npos ? text : text.substr(closes + kCloses.size());
}

std::vector<Thought> thoughts_of(const core::Json& message) {
  std::vector<Thought> thoughts;
  const auto add = [&](const std::string& place, std::string_view text) {
    text = core::trimmed(text);
    if (!text.empty()) thoughts.push_back({place, text});
  };
  for (const char* name : text::kReasoningFields)
    if (has_column(message, name) && message.at(name).is_string())
      add(name, message.at(name).get_ref<const std::string&>());
  if (!has_column(message, "content") || !message.at("content").is_string()) return thoughts;
  std::string_view text = message.at("content").get_ref<const std::string&>();
  const std::string_view rest = after_thought(text);
  if (rest.size() == text.size()) return thoughts;
  text = text.substr(0, text.size() - rest.size() - kCloses.size());
  const std::size_t opens = text.find(kOpens);
  add(std::string(kOpens), opens == std::string_view::npos ? text : text.substr(opens + kOpens.size()));
  return thoughts;
}

core::Json with_thought(core::Json message, const std::string& text) {
  for (const char* name : text::kReasoningFields)
    if (has_column(message, name)) message[name] = text;
  if (!has_column(message, "content") || !message["content"].is_string()) return message;
  const std::string content = message["content"];
  const std::string_view rest = after_thought(content);
  if (rest.size() != content.size())
    message["content"] = fmt::format("{}{}{}{}", kOpens, text, kCloses, rest);
  return message;
}

}  // namespace attune::data
