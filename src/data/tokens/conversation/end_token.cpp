#include "data/tokens/conversation/end_token.h"

#include <utility>

#include "core/ascii.h"
#include "data/rows/column/columns.h"

namespace attune::data {
namespace {

constexpr std::string_view kAnswer = "attuneanswer7291";

/// Blanks at the end go.
std::string_view right_trimmed(std::string_view text) {
  return text.substr(0, text.find_last_not_of(" \t\r\n") + 1);
}

/// What the chat template closes an answer with; "" where that is not known, or no token.
std::string closing_of_template(const TextCodec& codec) {
  std::string text;
  try {
    text = codec.chat_template->render({message("user", "?"), message("assistant", std::string(kAnswer))});
  } catch (const core::Error& error) {
    if (error.code() != core::ErrorCode::kRequest) throw;
  }
  const std::size_t at = text.find(kAnswer);
  if (at == std::string::npos) return "";
  const std::string_view rest = core::trimmed(std::string_view(text).substr(at + kAnswer.size()));
  if (!rest.starts_with('<')) return "";
  return std::string(rest.substr(0, rest.find('>') + 1));
}

/// Without any `end` at its end; what ends otherwise stays as it is.
std::string_view without_end(std::string_view text, std::string_view end) {
  std::string_view shorter = right_trimmed(text);
  if (!shorter.ends_with(end)) return text;
  while (shorter.ends_with(end)) shorter = right_trimmed(shorter.substr(0, shorter.size() - end.size()));
  return shorter;
}

bool may_bring_an_end(const core::Json& message) {
  return message.is_object() && message.value("role", core::Json()) == "assistant" &&
         message.value("content", core::Json()).is_string() &&
         right_trimmed(message.at("content").get_ref<const std::string&>()).ends_with('>');
}

}  // namespace

std::string end_text(const TextCodec& codec) {
  if (!codec.tokenizer || !codec.eos_id || codec.eos_id != codec.tokenizer->eos_id()) return "";
  const auto& specials = codec.tokenizer->special_token_texts();
  const auto eos = specials.find("eos_token");
  return eos == specials.end() ? "" : eos->second;
}

std::string_view with_one_end(std::string_view text, std::string_view end) {
  if (end.empty()) return text;
  const std::string_view shorter = without_end(text, end);
  if (shorter.size() == text.size()) return text;
  return text.substr(0, text.find(end, shorter.size()) + end.size());
}

core::Json without_own_ends(core::Json messages, const TextCodec& codec) {
  std::string closing;
  bool asked = false;
  for (auto& message : messages) {
    if (!may_bring_an_end(message)) continue;
    if (!std::exchange(asked, true)) closing = closing_of_template(codec);
    if (closing.empty()) return messages;
    auto& content = message["content"];
    content = std::string(without_end(content.get_ref<const std::string&>(), closing));
  }
  return messages;
}

}  // namespace attune::data
