#include "text/chat_template.h"

#include <fmt/format.h>

#include <algorithm>

#include "text/jinja/value/unicode.h"

namespace attune::text {
namespace {

using core::Json;

/// Gives reasoning under every name that templates read, as transformers does.
Json with_reasoning(const Json& message) {
  const Json* reasoning = nullptr;
  for (const char* field : kReasoningFields) {
    const auto it = message.find(field);
    if (!reasoning && it != message.end() && !it->is_null()) reasoning = &*it;
  }
  if (!reasoning) return message;
  Json out = {{"thinking", *reasoning}};
  for (const auto& [key, value] : message.items()) out[key] = value;
  out["reasoning_content"] = *reasoning;
  return out;
}

Json prepared(const Json& messages) {
  if (!messages.is_array()) core::fail_request("messages must be a list, not {}", messages.type_name());
  Json out = Json::array();
  for (const auto& message : messages) {
    if (!message.is_object()) core::fail_request("a message must be an object, not {}", message.type_name());
    out.push_back(with_reasoning(message));
  }
  return out;
}

/// Bytes and messages that differencing may read again and again: seconds. A message counts as much as so
/// many bytes.
constexpr std::size_t kMaxDifferenceWork = std::size_t{1} << 30, kMessageWork = 256;

constexpr std::string_view kTag = "CONTINUE_FINAL_MESSAGE_TAG ";
constexpr std::string_view kStrippedTag = "CONTINUE_FINAL_MESSAGE_TAG";

/// Marks the end of the last message's content and returns that content.
std::string mark_final_message(Json& messages) {
  if (messages.empty()) core::fail_request("continue_final_message needs at least one message");
  const auto content = messages.back().find("content");
  if (content == messages.back().end() || content->is_null())
    core::fail_request("continue_final_message: the final message has no \"content\" to continue");
  Json* text = &*content;
  if (content->is_array()) {
    text = nullptr;
    for (auto& part : *content)
      if (part.is_object() && part.contains("text")) text = &part["text"];
    if (!text) core::fail_request("continue_final_message: the final message has no text to continue");
  }
  if (!text->is_string()) core::fail_request("continue_final_message: the content to continue is not text");
  std::string original = text->get<std::string>();
  *text = original + std::string(kTag);
  return original;
}

/// The text up to the mark that `mark_final_message` left.
std::string cut_at_mark(std::string text, const std::string& content) {
  const std::size_t at = text.rfind(kStrippedTag);
  const std::string stripped(jinja::strip(content, nullptr, true, true));
  if (at == std::string::npos || text.find(stripped) == std::string::npos)
    core::fail_request("continue_final_message: the template leaves out or changes the final message");
  const bool spacing_kept = text.compare(at, kTag.size(), kTag) == 0;
  text.resize(at);
  return spacing_kept ? text : std::string(jinja::strip(text, nullptr, false, true));
}

bool is_prefix(std::string_view prefix, std::string_view text) {
  return text.substr(0, prefix.size()) == prefix;
}

bool is_assistant(const Json& message) {
  const auto role = message.find("role");
  return role != message.end() && role->is_string() && role->get_ref<const std::string&>() == "assistant";
}

std::size_t count_answers(const Json& messages) {
  return static_cast<std::size_t>(std::count_if(messages.begin(), messages.end(), is_assistant));
}

bool too_much_work(std::size_t answers, std::string_view text, const Json& messages) {
  return answers * (text.size() + kMessageWork * messages.size()) > kMaxDifferenceWork;
}

Json first_messages(const Json& messages, std::size_t count) {
  Json out = Json::array();
  for (std::size_t i = 0; i < count; ++i) out.push_back(messages[i]);
  return out;
}

}  // namespace

ChatTemplate ChatTemplate::from_source(std::string source, std::string name,
                                       std::map<std::string, std::string> special_tokens) {
  ChatTemplate out;
  out.special_tokens_ = std::move(special_tokens);
  out.add_variant("default", std::move(source), std::move(name));
  return out;
}

void ChatTemplate::add_variant(const std::string& name, std::string source, std::string where) {
  auto program = JinjaTemplate::parse(source, std::move(where));
  variants_.insert_or_assign(name, Variant{std::move(source), std::move(program)});
}

const ChatTemplate::Variant& ChatTemplate::choose(const Json& tools) const {
  const auto with_tools = variants_.find("tool_use");
  if (!tools.is_null() && with_tools != variants_.end()) return with_tools->second;
  const auto usual = variants_.find("default");
  if (usual == variants_.end())
    core::fail_request("the model has several chat templates, but none named \"default\"");
  return usual->second;
}

bool ChatTemplate::has_generation_blocks() const { return choose(Json()).program.has_generation_blocks(); }
const std::string& ChatTemplate::source() const { return choose(Json()).source; }

JinjaTemplate::Rendered ChatTemplate::run(const Json& messages, const Options& options) const {
  const Variant& variant = choose(options.tools);
  Json context = {{"messages", messages},
                  {"tools", options.tools},
                  {"documents", options.documents},
                  {"add_generation_prompt", options.add_generation_prompt}};
  for (const auto& [name, token] : special_tokens_) context[name] = token;
  if (options.extra.is_object())
    for (const auto& [name, value] : options.extra.items()) context[name] = value;
  else if (!options.extra.is_null())
    core::fail_request("chat_template_kwargs must be an object, not {}", options.extra.type_name());
  return variant.program.render(context);
}

std::string ChatTemplate::render(const Json& messages, const Options& options) const {
  return render_prepared(prepared(messages), options).text;
}

JinjaTemplate::Rendered ChatTemplate::render_prepared(Json messages, const Options& options) const {
  if (!options.continue_final_message) return run(messages, options);
  if (options.add_generation_prompt)
    core::fail_request("add_generation_prompt and continue_final_message cannot be used together");
  if (choose(options.tools).source.find("content") == std::string::npos)
    core::fail_request("continue_final_message: the chat template does not read \"content\"");
  const std::string content = mark_final_message(messages);
  auto out = run(messages, options);
  out.text = cut_at_mark(std::move(out.text), content);
  std::erase_if(out.generation_spans, [&](const auto& span) { return span.first >= out.text.size(); });
  for (auto& span : out.generation_spans) span.second = std::min(span.second, out.text.size());
  return out;
}

RenderedChat ChatTemplate::render_with_masks(const Json& messages, const Options& options) const {
  const Json all = prepared(messages);
  auto rendered = render_prepared(all, options);
  RenderedChat out;
  out.text = std::move(rendered.text);
  if (!choose(options.tools).program.has_generation_blocks()) {
    add_differences(all, options, out);
  } else if (rendered.spans_reliable) {
    out.assistant_spans = std::move(rendered.generation_spans);
    out.rewrites_history = rewrites_history(all, options, out.text);
  } else {
    out.mask_problem = {"the chat template marks the assistant's text inside a macro",
                        "write {% generation %} outside of macros and captured blocks"};
  }
  if (out.mask_problem) out.assistant_spans.clear();
  return out;
}

/// Where `shown`, the text that ends with some message, stops to agree with the whole text. Only what a
/// template writes at the very end (often the end-of-sequence token) may differ, so a special token is not
/// cut in two.
std::size_t ChatTemplate::common_end(std::string_view shown, std::string_view whole) const {
  const auto limit = std::min(shown.size(), whole.size());
  std::size_t end = 0;
  while (end < limit && shown[end] == whole[end]) ++end;
  if (end == shown.size()) return end;
  std::size_t cut = end;
  for (const auto& [name, token] : special_tokens_) {
    const std::size_t start = end >= token.size() ? end - token.size() + 1 : 0;
    const std::size_t at = token.empty() ? std::string_view::npos : shown.find(token, start);
    if (at < end) cut = std::min(cut, at);
  }
  return cut;
}

void ChatTemplate::add_differences(const Json& messages, const Options& options, RenderedChat& out) const {
  Options before = options, after = options;
  before.add_generation_prompt = true;
  before.continue_final_message = after.add_generation_prompt = after.continue_final_message = false;
  const std::size_t answers = count_answers(messages);
  if (too_much_work(answers, out.text, messages)) {
    out.mask_problem = {
        "the conversation is too long to find the assistant's text in it",
        fmt::format("{} messages, {} of the assistant, {} bytes; split it, or use a chat template with "
                    "{{% generation %}} blocks",
                    messages.size(), answers, out.text.size())};
    return;
  }
  try {
    for (std::size_t i = 0; i < messages.size(); ++i) {
      if (!is_assistant(messages[i])) continue;
      const std::string prompt = run(first_messages(messages, i), before).text;
      const std::string shown = run(first_messages(messages, i + 1), after).text;
      const std::size_t end = std::min(common_end(shown, out.text), out.text.size());
      const bool ends_it = i + 1 == messages.size() && options.continue_final_message;
      const bool tail_only = end == shown.size() || ends_it || special_token_at(shown, end);
      if (!is_prefix(prompt, shown) || !is_prefix(prompt, out.text) || !tail_only || end < prompt.size()) {
        out.mask_problem = {kRewritesHistory, fmt::format("message {} is not where its own prompt ends", i)};
        out.rewrites_history = true;
        return;
      }
      out.assistant_spans.emplace_back(prompt.size(), end);
    }
  } catch (const core::Error& error) {
    out.mask_problem = {kRefusesPart, error.what()};
  }
}

bool ChatTemplate::rewrites_history(const Json& messages, const Options& options,
                                    std::string_view whole) const {
  Options after = options;
  after.add_generation_prompt = after.continue_final_message = false;
  if (too_much_work(count_answers(messages), whole, messages)) return false;
  try {
    for (std::size_t i = 0; i + 1 < messages.size(); ++i) {
      if (!is_assistant(messages[i])) continue;
      const std::string shown = run(first_messages(messages, i + 1), after).text;
      const std::size_t end = common_end(shown, whole);
      if (end != shown.size() && !special_token_at(shown, end)) return true;
    }
  } catch (const core::Error& error) {
    if (error.code() != core::ErrorCode::kRequest) throw;  // a part that the template refuses shows nothing
  }
  return false;
}

bool ChatTemplate::special_token_at(std::string_view text, std::size_t at) const {
  for (const auto& [name, token] : special_tokens_)
    if (!token.empty() && text.substr(at) == token) return true;
  return false;
}

}  // namespace attune::text
