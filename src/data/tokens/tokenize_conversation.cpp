#include <algorithm>
#include <optional>

#include "data/rows/columns.h"
#include "data/tokens/row_tokens.h"
#include "data/tokens/token_spans.h"
#include "data/tokens/tokenize_text.h"
#include "data/tokens/turns.h"

namespace attune::data {
namespace {

text::ChatTemplate::Options template_options(const record::Example& example) {
  text::ChatTemplate::Options options;
  options.tools = example.tools;
  options.extra = example.chat_template_kwargs;
  return options;
}

const text::ChatTemplate& need_template(const TextCodec& codec) {
  if (!codec.chat_template)
    core::fail_request(
        "the data holds messages, but the model folder has no chat template. Take a model that has one, put "
        "a "
        "chat_template.jinja beside config.json, or give texts: columns that hold strings are named with "
        "data.columns={{prompt: …, completion: …}}");
  return *codec.chat_template;
}

/// Runs the template; what it refuses is this row's problem.
template <class Render>
auto rendered(const Render& render) -> core::Result<decltype(render())> {
  try {
    return render();
  } catch (const core::Error& error) {
    if (error.code() != core::ErrorCode::kRequest) throw;
    return core::ItemError{kTemplateRefused, error.what()};
  }
}

core::Json as_messages(const core::Json& value, const char* role) {
  if (value.is_array()) return value;
  return core::Json::array({message(role, value.is_string() ? value.get<std::string>() : "")});
}

/// Prompt and completion as one conversation. A completion given as text goes on with a last message of the
/// assistant.
core::Json whole_conversation(const core::Json& prompt, const core::Json& completion) {
  core::Json whole = prompt;
  const bool continues = completion.is_string() && !prompt.empty() &&
                         prompt.back().value("role", "") == "assistant" &&
                         prompt.back().value("content", core::Json()).is_string();
  if (continues) {
    auto& content = whole.back()["content"].get_ref<std::string&>();
    content += completion.get<std::string>();
    return whole;
  }
  for (const auto& turn : as_messages(completion, "assistant")) whole.push_back(turn);
  return whole;
}

/// What a template writes before the first words of the assistant, where nobody spoke before; nothing where
/// it refuses conversations that begin so.
std::vector<std::int32_t> opening_of_assistant(const record::Example& example, const TextCodec& codec,
                                               const text::Tokenizer& tokenizer) {
  const auto opened = render_prompt(core::Json::array(), example, codec, true);
  return opened.ok() ? tokenizer.encode(opened.value(), false) : std::vector<std::int32_t>();
}

bool is_one_answer(const core::Json& completion) {
  return completion.is_array() && completion.size() == 1 && completion[0].value("role", "") == "assistant";
}

/// The byte of a conversation at which the first step begins, white space at the ends apart, which templates
/// take away; nothing where the template wrote the steps otherwise.
std::optional<std::size_t> place_of_steps(const record::Candidate& candidate, const std::string& text) {
  std::string steps;
  for (const std::string& step : candidate.steps) steps += step;
  const std::size_t first = steps.find_first_not_of(" \t\r\n");
  if (first == std::string::npos) return {};
  const std::size_t last = steps.find_last_not_of(" \t\r\n");
  const std::size_t place = text.rfind(steps.substr(first, last + 1 - first));
  if (place == std::string::npos || place < first) return {};
  return place - first;
}

}  // namespace

core::Result<std::string> render_prompt(const core::Json& messages, const record::Example& example,
                                        const TextCodec& codec, bool answered_by_message) {
  auto options = template_options(example);
  options.continue_final_message =
      !answered_by_message && !messages.empty() && messages.back().value("role", "") == "assistant";
  options.add_generation_prompt = !options.continue_final_message;
  const auto& chat_template = need_template(codec);
  return rendered([&] { return chat_template.render(messages, options); });
}

core::Result<Encoded> encode_conversation(const record::Example& example, const record::Candidate& candidate,
                                          const TextCodec& codec, const DataOptions& options, bool training) {
  const auto& chat_template = need_template(codec);
  const auto& tokenizer = need_tokenizer(codec);
  const bool has_prompt = !example.language_modelling && !is_blank(example.prompt);
  const core::Json prompt = has_prompt ? as_messages(example.prompt, "user") : core::Json::array();
  const core::Json messages = whole_conversation(prompt, candidate.completion);
  const bool begins = !example.language_modelling && example.prompt.is_array() && example.prompt.empty();
  const bool one_answer = (has_prompt || begins) && is_one_answer(candidate.completion);
  // Of one answer after its prompt all is the assistant's; blocks of a template may still leave a part out.
  const bool assistant_only =
      training && options.assistant_only && (!one_answer || chat_template.has_generation_blocks());
  const auto whole = rendered([&] {
    if (assistant_only) return chat_template.render_with_masks(messages, template_options(example));
    return text::RenderedChat{chat_template.render(messages, template_options(example)), {}, {}, false};
  });
  if (!whole.ok()) return whole.error();
  if (whole.value().rewrites_history && options.turns == "auto" && is_conversation(example))
    return core::ItemError{text::kRewritesHistory, ""};
  if (whole.value().mask_problem) return *whole.value().mask_problem;
  // Templates write their own special tokens: none are added.
  text::PlacedIds placed;
  if (assistant_only || !candidate.steps.empty())
    placed = tokenizer.encode_placed(whole.value().text, false);
  else
    placed.ids = tokenizer.encode(whole.value().text, false);
  const std::vector<std::int32_t>& ids = placed.ids;
  Encoded out;
  std::size_t cut = 0;
  if (has_prompt) {
    const auto opened = render_prompt(prompt, example, codec, one_answer);
    if (!opened.ok()) return opened.error();
    const std::vector<std::int32_t> alone = tokenizer.encode(opened.value(), false);
    cut = common_prefix(alone, ids);
    out.straddles = cut < alone.size();
  } else if (one_answer) {
    cut = common_prefix(opening_of_assistant(example, codec, tokenizer), ids);
  }
  const auto begin = static_cast<std::ptrdiff_t>(cut);
  out.prompt.assign(ids.begin(), ids.begin() + begin);
  out.completion.assign(ids.begin() + begin, ids.end());
  if (assistant_only) {
    const auto mask = tokens_in(placed.places, whole.value().assistant_spans);
    out.mask.assign(mask.begin() + begin, mask.end());
  }
  if (!candidate.steps.empty()) {
    const auto begins_at = place_of_steps(candidate, whole.value().text);
    if (!begins_at) return core::ItemError{"the template does not write the steps as they are", ""};
    out.step_ends = find_step_ends(candidate, placed.places, *begins_at, cut);
  }
  out.rendered = whole.value().text;
  return out;
}

}  // namespace attune::data
