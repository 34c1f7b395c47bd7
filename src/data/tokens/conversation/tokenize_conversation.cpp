#include <algorithm>
#include <optional>

#include "core/ascii.h"
#include "data/rows/column/columns.h"
#include "data/tokens/conversation/answer_place.h"
#include "data/tokens/conversation/end_token.h"
#include "data/tokens/conversation/turns.h"
#include "data/tokens/row_tokens.h"
#include "data/tokens/token_spans.h"
#include "data/tokens/tokenize_text.h"

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
        "a chat_template.jinja beside config.json, or give texts: columns that hold strings are named with "
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

bool is_one_answer(const core::Json& completion) {
  return completion.is_array() && completion.size() == 1 && completion[0].value("role", "") == "assistant";
}

/// Whether the conversation ends in an answer that a limit cut: nothing closes it then.
bool ends_open(const core::Json& messages, const record::Candidate& candidate) {
  if (!record::was_cut(candidate) || messages.empty()) return false;
  const core::Json& last = messages.back();
  return last.value("role", "") == "assistant" && last.value("content", core::Json()).is_string() &&
         last.value("content", "") != "" && !has_column(last, "tool_calls");
}

/// A conversation that is being tokenised.
struct Talk {
  const record::Example& example;
  const TextCodec& codec;
  text::ChatTemplate::Options options;
  core::Json prompt, completion;
  bool one_answer;   ///< the completion is a message of the assistant and no more
  std::string text;  ///< of the whole
  std::vector<std::int32_t> ids;
  std::vector<text::TextSpan> places;  ///< of the ids, once somebody asked

  core::Json whole(const core::Json& said) const {
    return without_own_ends(whole_conversation(prompt, said), codec);
  }
  std::span<const text::TextSpan> placed() {
    if (places.empty()) places = codec.tokenizer->encode_placed(text, false).places;
    return places;
  }
};

Talk talk_of(const record::Example& example, const record::Candidate& candidate, const TextCodec& codec) {
  Talk talk{example, codec, template_options(example), core::Json::array(), candidate.completion, false, {},
            {},      {}};
  const bool has_prompt = !example.language_modelling && !is_blank(example.prompt);
  const bool begins = !example.language_modelling && example.prompt.is_array() && example.prompt.empty();
  if (has_prompt) talk.prompt = without_own_ends(as_messages(example.prompt, "user"), codec);
  talk.one_answer = (has_prompt || begins) && is_one_answer(talk.completion);
  talk.options.continue_final_message = ends_open(talk.whole(talk.completion), candidate);
  return talk;
}

/// Whether a text holds what the last message says.
bool shows_last(const core::Json& messages, const std::string& text) {
  const core::Json said = messages.empty() ? core::Json() : messages.back().value("content", core::Json());
  return !said.is_string() ||
         text.find(core::trimmed(said.get_ref<const std::string&>())) != std::string::npos;
}

/// Whether the prompt alone, opened for an answer, is written as it is in the whole, but for the opening.
bool goes_on_from(const Talk& talk, const std::string& opened) {
  if (!shows_last(talk.prompt, opened)) return false;
  if (talk.text.starts_with(opened)) return true;
  if (talk.prompt.empty()) return false;
  const auto closed =
      rendered([&] { return talk.codec.chat_template->render(talk.prompt, template_options(talk.example)); });
  return closed.ok() && talk.text.starts_with(closed.value());
}

/// Where the completion begins among the tokens of the whole, found by what it says.
core::Result<std::size_t> cut_by_words(Talk& talk) {
  const auto render = [&](const core::Json& completion) {
    const auto other =
        rendered([&] { return talk.codec.chat_template->render(talk.whole(completion), talk.options); });
    return other.ok() ? other.value() : std::string();
  };
  const auto place = place_of_completion(talk.text, talk.completion, render);
  if (!place) return core::ItemError{"the chat template does not show where the answer begins", ""};
  const auto places = talk.placed();
  const auto first = std::ranges::find_if(places, [&](const auto& token) { return token.second > *place; });
  return static_cast<std::size_t>(first - places.begin());
}

/// Splits the ids of the whole into prompt and completion.
std::optional<core::ItemError> cut(Talk& talk, Encoded& out) {
  const auto& ids = talk.ids;
  std::size_t begin = 0;
  const auto opened = render_prompt(talk.prompt, talk.example, talk.codec, talk.one_answer);
  if (!opened.ok() && !talk.prompt.empty()) return opened.error();
  if (opened.ok() && goes_on_from(talk, opened.value())) {
    const std::vector<std::int32_t> alone = talk.codec.tokenizer->encode(opened.value(), false);
    begin = common_prefix(alone, ids);
    out.straddles = begin < alone.size() && !talk.prompt.empty();
  } else {
    const auto found = cut_by_words(talk);
    if (!found.ok()) return found.error();
    begin = found.value();
  }
  const auto first = ids.begin() + static_cast<std::ptrdiff_t>(begin);
  out.prompt.assign(ids.begin(), first);
  out.completion.assign(first, ids.end());
  return {};
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
  return rendered([&] { return chat_template.render(without_own_ends(messages, codec), options); });
}

core::Result<Encoded> encode_conversation(const record::Example& example, const record::Candidate& candidate,
                                          const TextCodec& codec, const DataOptions& options, bool training) {
  const auto& chat_template = need_template(codec);
  const auto& tokenizer = need_tokenizer(codec);
  Talk talk = talk_of(example, candidate, codec);
  const core::Json messages = talk.whole(talk.completion);
  // Of one answer after its prompt all is the assistant's; blocks of a template may still leave a part out.
  const bool assistant_only =
      training && options.assistant_only && (!talk.one_answer || chat_template.has_generation_blocks());
  auto whole = rendered([&] {
    if (assistant_only) return chat_template.render_with_masks(messages, talk.options);
    return text::RenderedChat{chat_template.render(messages, talk.options), {}, {}, false};
  });
  if (!whole.ok()) return whole.error();
  if (whole.value().rewrites_history && options.turns == "auto" && is_conversation(example))
    return core::ItemError{text::kRewritesHistory, ""};
  if (whole.value().mask_problem) return *whole.value().mask_problem;
  talk.text = std::move(whole.value().text);
  talk.ids = tokenizer.encode(talk.text, false);  // templates write their own special tokens
  Encoded out;
  if (!talk.prompt.empty() || talk.one_answer) {
    if (const auto problem = cut(talk, out)) return *problem;
  } else {
    out.completion = talk.ids;
  }
  if (assistant_only) {
    const auto mask = tokens_in(talk.placed(), whole.value().assistant_spans);
    out.mask.assign(mask.begin() + std::ssize(out.prompt), mask.end());
  }
  if (!candidate.steps.empty()) {
    const auto begins_at = place_of_steps(candidate, talk.text);
    if (!begins_at) return core::ItemError{"the template does not write the steps as they are", ""};
    out.step_ends = find_step_ends(candidate, talk.placed(), *begins_at, out.prompt.size());
  }
  out.rendered = std::move(talk.text);
  return out;
}

}  // namespace attune::data
