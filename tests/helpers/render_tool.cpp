// Renders templates for the golden tests: reads JSON lines {"template": …, "context": {…}} and writes
// {"text": …} or {"error": …} for each. With "messages" instead of "context" the template runs as a chat
// template, with the optional keys "tools", "documents", "extra", "special_tokens", "add_generation_prompt",
// "continue_final_message", and {"text", "spans", "problem"} is written.
#include <fmt/format.h>

#include <iostream>
#include <string>

#include "core/error.h"
#include "core/json.h"
#include "text/chat_template.h"
#include "text/jinja/template.h"

namespace {

using attune::core::Json;
using attune::text::ChatTemplate;
using attune::text::JinjaTemplate;

Json spans_of(const std::vector<attune::text::TextSpan>& spans) {
  Json out = Json::array();
  for (const auto& [first, last] : spans) out.push_back(Json::array({first, last}));
  return out;
}

Json render_chat(const Json& request) {
  std::map<std::string, std::string> tokens;
  if (request.contains("special_tokens"))
    tokens = request["special_tokens"].get<std::map<std::string, std::string>>();
  const auto chat = ChatTemplate::from_source(request.at("template").get<std::string>(), "template", tokens);
  ChatTemplate::Options options;
  options.add_generation_prompt = request.value("add_generation_prompt", false);
  options.continue_final_message = request.value("continue_final_message", false);
  options.tools = request.value("tools", Json());
  options.documents = request.value("documents", Json());
  options.extra = request.value("extra", Json());
  if (!request.value("masks", false)) return {{"text", chat.render(request.at("messages"), options)}};
  const auto rendered = chat.render_with_masks(request.at("messages"), options);
  return {{"text", rendered.text},
          {"spans", spans_of(rendered.assistant_spans)},
          {"problem", rendered.mask_problem ? Json(rendered.mask_problem->reason) : Json()}};
}

Json render(const Json& request) {
  if (request.contains("messages")) return render_chat(request);
  const auto rendered = JinjaTemplate::parse(request.at("template").get<std::string>(), "template")
                            .render(request.at("context"));
  return {{"text", rendered.text}, {"spans", spans_of(rendered.generation_spans)}};
}

}  // namespace

int main() {
  std::ios::sync_with_stdio(false);
  for (std::string line; std::getline(std::cin, line);) {
    Json answer;
    try {
      answer = render(attune::core::parse_json(line, "request"));
    } catch (const attune::core::Error& error) {
      answer = {{"error", error.what()}};
    }
    std::cout << attune::core::to_line(answer) << '\n' << std::flush;
  }
}
