// Chat templates and what they render. Input: the template, a NUL byte, the conversation as JSON (absent: the
// one below).
#include "core/json.h"
#include "tests/fuzz/input.h"
#include "text/chat_template.h"
#include "text/jinja/template.h"

namespace attune::fuzz {
namespace {

using core::Json;

constexpr const char* kConversation = R"([
  {"role": "system", "content": "Be brief."},
  {"role": "user", "content": "  Grüße <b> "},
  {"role": "assistant", "content": "Hi", "tool_calls": [{"function": {"name": "f", "arguments": {"x": 1.5}}}]},
  {"role": "tool", "content": "2", "n": 7}, {"role": "assistant", "content": "Two."}])";

constexpr const char* kVariables =
    R"({"s": "Hello World", "u": "ΑΣ 日本 😀 ǆ ﬁ İ", "n": 7, "m": -3, "z": 0, "f": 2.5,
  "yes": true, "nothing": null, "xs": [3, 1, 2, 3], "mixed": [1, "1", 1.0, true, null, [1], {"a": 1}],
  "d": {"b": 1, "a": 2, "items": 4}, "rows": [{"name": "x", "v": 2}, {"name": "Y", "v": 1}],
  "tree": [{"t": "1", "kids": [{"t": "x", "kids": []}]}]})";

void check_spans(const std::vector<std::pair<std::size_t, std::size_t>>& spans, const std::string& text) {
  std::size_t at = 0;
  for (const auto& [begin, end] : spans) {
    expect(begin >= at && begin <= end && end <= text.size(), "a span is out of order or beyond the text");
    at = end;
  }
}

void run(std::string_view input) {
  static const Json conversation = core::parse_json(kConversation, "conversation");
  static const Json variables = core::parse_json(kVariables, "variables");
  const auto parts = parts_of(input, 2);
  Json messages;
  std::string why;
  if (!core::try_parse_json(parts[1], messages, why)) messages = conversation;
  const auto chat = text::ChatTemplate::from_source(std::string(parts[0]), "template",
                                                    {{"bos_token", "<s>"}, {"eos_token", "</s>"}});
  text::ChatTemplate::Options options;
  options.extra = variables;
  options.add_generation_prompt = true;
  accepts([&] { chat.render(messages, options); });
  options.add_generation_prompt = false;
  options.continue_final_message = parts[0].size() % 2 == 1;
  accepts([&] {
    const auto rendered = chat.render_with_masks(messages, options);
    check_spans(rendered.assistant_spans, rendered.text);
  });
}

}  // namespace
}  // namespace attune::fuzz

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  attune::fuzz::accepts([&] { attune::fuzz::run(attune::fuzz::text_of(data, size)); });
  return 0;
}
