#include "data/tokens/watch/message_watch.h"

#include <algorithm>
#include <cctype>
#include <set>

#include "core/ascii.h"
#include "core/config/value.h"
#include "data/rows/column/columns.h"
#include "data/tokens/conversation/thoughts.h"
#include "data/tokens/tokenize.h"

namespace attune::data {
namespace {

constexpr const char* kMark = "attunemark7291";
/// Renderings with a mark, after which a template counts as known.
constexpr std::int64_t kMostTrials = 2000;
/// So many words before the first message are more than the names of roles.
constexpr int kWordsOfAText = 5;

std::string_view without_edges(std::string_view text) { return core::trimmed(text, " \t\r\n"); }

/// The words of a message in the order of its parts; what was thought before them is another matter.
std::vector<std::string_view> texts_of(const core::Json& message) {
  std::vector<std::string_view> texts;
  const auto add = [&](const core::Json& value) {
    if (!value.is_string()) return;
    const std::string_view text = after_thought(value.get_ref<const std::string&>());
    if (!without_edges(text).empty()) texts.push_back(without_edges(text));
  };
  const auto content = message.find("content");
  if (content == message.end()) return texts;
  if (content->is_array())
    for (const auto& part : *content)
      if (part.is_object() && part.contains("text")) add(part.at("text"));
  add(*content);
  return texts;
}

/// Parts of messages that are no texts: models here see of them what the template writes, a marker or
/// nothing.
void look_at_parts(const core::Json& message, const std::string& where, Noticed& noticed) {
  const auto content = message.find("content");
  if (content == message.end() || !content->is_array()) return;
  std::set<std::string> kinds;
  for (const auto& part : *content) {
    if (!part.is_object() || part.contains("text")) continue;
    const auto type = part.find("type");
    kinds.insert(type != part.end() && type->is_string() ? type->get<std::string>()
                 : part.empty()                          ? "none"
                                                         : part.items().begin().key());
  }
  for (const std::string& kind : kinds)
    noticed.add(
        fmt::format("a message holds a part of the type \"{}\", of which a model here sees nothing but "
                    "what the chat template writes",
                    kind),
        where);
}

/// The function of a tool call, whether or not it lies in a member of that name.
core::Json& function_of(core::Json& call) {
  return has_column(call, "function") && call["function"].is_object() ? call["function"] : call;
}

bool has_calls(const core::Json& message) {
  return has_column(message, "tool_calls") && message.at("tool_calls").is_array() &&
         !message.at("tool_calls").empty();
}

int words_in(std::string_view text) {
  int words = 0;
  bool in_word = false, counted = false;
  for (const char c : text) {
    const bool space = std::isspace(static_cast<unsigned char>(c)) != 0;
    if (space) in_word = counted = false;
    if (!space) in_word = true;
    if (in_word && !counted && std::isalpha(static_cast<unsigned char>(c)) != 0) ++words, counted = true;
  }
  return words;
}

/// The longest line of a text without markers such as <|im_end|>, cut for a message.
std::string longest_line(std::string_view text) {
  std::string line, longest;
  for (std::size_t i = 0; i <= text.size(); ++i) {
    if (i == text.size() || text[i] == '\n' || text[i] == '<') {
      if (line.size() > longest.size()) longest = line;
      line.clear();
      if (i < text.size() && text[i] == '<') i = std::min(text.find('>', i), text.size() - 1);
    } else {
      line += text[i];
    }
  }
  std::size_t cut = std::min<std::size_t>(longest.size(), 60);
  while (cut < longest.size() && (static_cast<unsigned char>(longest[cut]) & 0xC0) == 0x80) --cut;
  return longest.substr(0, cut) + (cut < longest.size() ? " …" : "");
}

}  // namespace

/// A row as the template is given it.
struct MessageWatch::Conversation {
  core::Json messages;
  text::ChatTemplate::Options options;
  std::string rendered;
  const std::string& where;
  std::size_t trained_from;  ///< the first message of the completion
};

namespace {

core::Json prompt_messages(const record::Example& example, const core::Json& completion) {
  if (example.language_modelling) return core::Json::array();
  if (example.prompt.is_array()) return example.prompt;
  if (!example.prompt.is_string() || !completion.is_array()) return core::Json::array();
  return core::Json::array({message("user", example.prompt.get<std::string>())});
}

/// A text, or answers that are nothing but texts.
bool is_plain(const core::Json& completion) {
  if (!completion.is_array()) return true;
  return std::ranges::all_of(completion, [](const core::Json& message) {
    return message.size() == 2 && message.value("role", "") == "assistant" && message.contains("content") &&
           message.at("content").is_string() && thoughts_of(message).empty();
  });
}

}  // namespace

void MessageWatch::look(const record::Example& example, const std::string& rendered, const std::string& where,
                        Noticed& noticed) {
  if (!codec_.chat_template || rendered.empty()) return;
  const record::Candidate none;
  for (std::size_t c = 0; c < std::max<std::size_t>(1, example.candidates.size()); ++c) {
    const core::Json& said = (example.candidates.empty() ? none : example.candidates[c]).completion;
    if (c > 0 && is_plain(said)) continue;  // the first one has shown what there is to see
    Conversation conversation{prompt_messages(example, said), {}, rendered, where, 0};
    conversation.trained_from = conversation.messages.size();
    if (said.is_string() && !conversation.messages.empty())
      conversation.messages.push_back(message("assistant", said));
    if (said.is_array())
      for (const auto& turn : said) conversation.messages.push_back(turn);
    conversation.options.tools = example.tools;
    conversation.options.extra = example.chat_template_kwargs;
    if (c > 0) conversation.rendered = rendering(conversation.messages, conversation.options);
    if (!conversation.messages.empty() && !conversation.rendered.empty()) look_at(conversation, noticed);
  }
}

void MessageWatch::look_at(const Conversation& conversation, Noticed& noticed) {
  std::size_t at = 0;
  look_at_beginning(conversation, noticed);
  for (std::size_t i = 0; i < conversation.messages.size(); ++i) {
    look_at_message(conversation, i, at, noticed);
    look_at_parts(conversation.messages[i], conversation.where, noticed);
    look_at_calls(conversation, i, noticed);
    look_at_old_call(conversation, i, noticed);
    look_at_thoughts(conversation, i, noticed);
  }
  look_at_tools(conversation, noticed);
}

std::string MessageWatch::rendering(const core::Json& messages,
                                    const text::ChatTemplate::Options& options) const {
  try {
    return codec_.chat_template->render(messages, options);
  } catch (const core::Error&) {
    return "";
  }
}

/// Whether the mark in the changed messages shows; a template that refuses them proves nothing. After many
/// trials a kind is what it has been.
bool MessageWatch::shows(const std::string& kind, const Conversation& conversation, core::Json changed) {
  if (++trials_ > kMostTrials) return !hidden_.contains(kind);
  const std::string text = rendering(changed, conversation.options);
  if (text.empty()) return true;
  const bool shown = text.find(kMark) != std::string::npos;
  (shown ? shown_ : hidden_).insert(kind);
  return shown;
}

void MessageWatch::look_at_message(const Conversation& conversation, std::size_t i, std::size_t& at,
                                   Noticed& noticed) {
  const core::Json& message = conversation.messages[i];
  const std::string role = message.value("role", ""), kind = (i == 0 ? "first " : "") + role;
  const auto texts = texts_of(message);
  if (texts.empty()) return;
  bool found = true;
  for (const auto& text : texts) {
    const std::size_t next = conversation.rendered.find(text, at);
    found = found && next != std::string::npos;
    if (next != std::string::npos) at = next + text.size();
  }
  if (found && shown_.contains(kind)) return;
  core::Json changed = conversation.messages;
  changed[i]["content"] = message.at("content").is_string()
                              ? core::Json(kMark)
                              : core::Json::array({{{"type", "text"}, {"text", kMark}}});
  if (!shows(kind, conversation, std::move(changed)))
    noticed.add(fmt::format("the chat template shows nothing of a message with the role \"{}\"", role),
                conversation.where);
}

void MessageWatch::look_at_calls(const Conversation& conversation, std::size_t i, Noticed& noticed) {
  if (!has_calls(conversation.messages[i])) return;
  core::Json changed = conversation.messages;
  bool twice = false;
  for (auto& call : changed[i]["tool_calls"]) {
    if (!call.is_object()) return;
    core::Json& function = function_of(call);
    const core::Json arguments = function.value("arguments", core::Json());
    function["name"] = kMark;
    if (!arguments.is_string()) continue;
    const auto& text = arguments.get_ref<const std::string&>();
    const std::string again = core::to_line(arguments);  // with its quotes, and those inside marked
    twice =
        twice || (again.size() > text.size() + 2 && conversation.rendered.find(again) != std::string::npos);
  }
  if (twice)
    noticed.add(
        "arguments of tool calls are JSON texts, which the chat template encodes once more: give them "
        "as objects",
        conversation.where);
  if (!shown_.contains("calls") && !shows("calls", conversation, std::move(changed)))
    noticed.add("the chat template leaves tool calls out", conversation.where);
}

/// How calls were written before there were several in a message.
void MessageWatch::look_at_old_call(const Conversation& conversation, std::size_t i, Noticed& noticed) {
  const core::Json& message = conversation.messages[i];
  if (!has_column(message, "function_call") || shown_.contains("function_call")) return;
  core::Json changed = conversation.messages;
  changed[i]["function_call"] = {{"name", kMark}, {"arguments", kMark}};
  if (!shows("function_call", conversation, std::move(changed)))
    noticed.add("the chat template leaves \"function_call\" out: most templates read \"tool_calls\"",
                conversation.where);
}

/// Thoughts that are to be learned; those of the prompt may go without harm.
void MessageWatch::look_at_thoughts(const Conversation& conversation, std::size_t i, Noticed& noticed) {
  const core::Json& message = conversation.messages[i];
  const auto thoughts = thoughts_of(message);
  if (i < conversation.trained_from || thoughts.empty() || message.value("role", "") != "assistant") return;
  const auto is_there = [&](const Thought& thought) {
    return conversation.rendered.find(thought.text) != std::string::npos;
  };
  if (std::ranges::all_of(thoughts, is_there)) return;
  core::Json changed = conversation.messages;
  changed[i] = with_thought(std::move(changed[i]), kMark);
  const bool last = i + 1 == changed.size();
  if (shows(last ? "thought" : "earlier thought", conversation, changed)) return;
  while (changed.size() > i + 1) changed.erase(changed.size() - 1);
  if (!last && shows("thought", conversation, std::move(changed)))
    noticed.add(
        "the chat template leaves out what an answer thinks once others follow (data.turns=split trains on "
        "each answer with its thoughts)",
        conversation.where);
  else
    noticed.add(fmt::format("the chat template leaves out what an answer thinks (\"{}\")", thoughts[0].place),
                conversation.where);
}

void MessageWatch::look_at_tools(const Conversation& conversation, Noticed& noticed) {
  if (!conversation.options.tools.is_array() || conversation.options.tools.empty() ||
      shown_.contains("tools"))
    return;
  Conversation marked = conversation;
  for (auto& tool : marked.options.tools)
    if (tool.is_object()) function_of(tool)["name"] = kMark;
  if (!shows("tools", marked, marked.messages))
    noticed.add("the chat template leaves the tools out", conversation.where);
}

void MessageWatch::look_at_beginning(const Conversation& conversation, Noticed& noticed) {
  const core::Json& first = conversation.messages[0];
  const std::string role = first.value("role", "");
  const auto texts = texts_of(first);
  if (role == "system" || role == "developer" || texts.empty() || !conversation.options.tools.empty()) return;
  const std::size_t at = conversation.rendered.find(texts.front());
  if (at == std::string::npos) return;
  const std::string_view before = std::string_view(conversation.rendered).substr(0, at);
  if (words_in(before) < kWordsOfAText) return;
  if (added_.empty()) added_ = longest_line(before);
  noticed.add(
      fmt::format("the chat template puts a system text of its own before a conversation that has none "
                  "(\"{}\")",
                  added_),
      conversation.where);
}

}  // namespace attune::data
