#include "data/tokens/tokenize_text.h"

#include <algorithm>

#include "data/rows/columns.h"
#include "data/tokens/token_spans.h"

namespace attune::data {
namespace {

/// The completion with the end-of-sequence text, where one is wanted and not there.
struct EndedText {
  std::string text;
  bool wanted = false;  ///< the ids must end in the end-of-sequence token
  bool added = false;
};

EndedText ended(const std::string& text, const record::Candidate& candidate, const TextCodec& codec,
                bool append) {
  EndedText out{text, append && codec.eos_id && candidate.finish_reason != "length"};
  if (!out.wanted || codec.eos_id != codec.tokenizer->eos_id()) return out;
  const auto& specials = codec.tokenizer->special_token_texts();
  const auto eos = specials.find("eos_token");
  if (eos == specials.end() || eos->second.empty() || text.ends_with(eos->second)) return out;
  out.text += eos->second;
  out.added = true;
  return out;
}

/// As TRL, the token is written into the text, so that a token before it cannot join with what is added.
/// Where the tokenizer's post-processor adds it too, one stays.
void settle_end(std::vector<std::int32_t>& ids, const EndedText& text, const TextCodec& codec) {
  if (!text.wanted) return;
  const std::int32_t eos = *codec.eos_id;
  if (ids.empty() || ids.back() != eos) ids.push_back(eos);
  if (text.added && ids.size() > 1 && ids[ids.size() - 2] == eos) ids.pop_back();
}

std::vector<std::int32_t> find_step_ends(const record::Candidate& candidate, const TextCodec& codec,
                                         const Encoded& encoded, const std::string& prompt) {
  if (candidate.steps.empty() || !codec.tokenizer) return {};
  std::string text = prompt;
  std::vector<std::int32_t> ids = encoded.prompt;
  ids.insert(ids.end(), encoded.completion.begin(), encoded.completion.end());
  for (const auto& step : candidate.steps) text += step;
  const auto ends = token_ends(*codec.tokenizer, ids, text);
  std::vector<std::int32_t> out;
  std::size_t boundary = prompt.size(), token = encoded.prompt.size();
  for (const auto& step : candidate.steps) {
    boundary += step.size();
    while (token + 1 < ends.size() && ends[token] < boundary) ++token;
    out.push_back(static_cast<std::int32_t>(token - encoded.prompt.size()));
  }
  return out;
}

core::Result<std::vector<std::int32_t>> check_ids(std::vector<std::int32_t> ids, const TextCodec& codec) {
  if (codec.vocab_size > 0)
    for (const std::int32_t id : ids)
      if (id >= codec.vocab_size)
        return core::ItemError{"token id outside the vocabulary",
                               fmt::format("{} with a vocabulary of {}", id, codec.vocab_size)};
  return ids;
}

core::Result<Encoded> encode_given_ids(const record::Example& example, const record::Candidate& candidate,
                                       const TextCodec& codec, bool append_eos) {
  Encoded out;
  if (!example.language_modelling) {
    auto prompt = tokenize_prompt(example, codec);
    if (!prompt.ok()) return prompt.error();
    out.prompt = std::move(prompt.value());
  }
  std::vector<std::int32_t> completion;
  if (candidate.completion_ids) {
    completion = *candidate.completion_ids;
  } else if (candidate.completion.is_string()) {
    const auto& tokenizer = need_tokenizer(codec);
    const EndedText text = ended(candidate.completion.get<std::string>(), candidate, codec, append_eos);
    completion = tokenizer.encode(text.text, false);
    settle_end(completion, text, codec);
  } else {
    return core::ItemError{"messages cannot follow prompt_ids", ""};
  }
  auto checked = check_ids(std::move(completion), codec);
  if (!checked.ok()) return checked.error();
  out.completion = std::move(checked.value());
  out.mask = candidate.completion_mask;
  if (!codec.tokenizer) return out;
  const std::string prompt_text = codec.tokenizer->decode(out.prompt);
  out.step_ends = find_step_ends(candidate, codec, out, prompt_text);
  out.rendered = prompt_text + codec.tokenizer->decode(out.completion);
  return out;
}

Encoded encode_plain(const record::Example& example, const record::Candidate& candidate,
                     const TextCodec& codec, bool append_eos) {
  const auto& tokenizer = need_tokenizer(codec);
  const EndedText text = ended(candidate.completion.get<std::string>(), candidate, codec, append_eos);
  const std::string prompt = example.prompt.is_string() ? example.prompt.get<std::string>() : "";
  Encoded out;
  if (example.language_modelling || example.prompt.is_null()) {
    out.completion = tokenizer.encode(text.text);
  } else {
    auto pair = text::encode_pair(tokenizer, prompt, text.text);
    out.prompt = std::move(pair.prompt);
    out.completion = std::move(pair.completion);
    out.straddles = pair.straddles;
  }
  settle_end(out.completion, text, codec);
  out.step_ends = find_step_ends(candidate, codec, out, prompt);
  out.rendered = prompt + text.text;
  return out;
}

}  // namespace

std::size_t common_prefix(std::span<const std::int32_t> a, std::span<const std::int32_t> b) {
  return static_cast<std::size_t>(std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first - a.begin());
}

const text::Tokenizer& need_tokenizer(const TextCodec& codec) {
  if (!codec.tokenizer)
    core::fail_request("{}. Text needs one; records with prompt_ids and completion_ids do without",
                       codec.no_tokenizer.empty() ? "no tokenizer is given" : codec.no_tokenizer);
  return *codec.tokenizer;
}

core::Result<Encoded> encode_candidate(const record::Example& example, const record::Candidate& candidate,
                                       const TextCodec& codec, const DataOptions& options, bool training) {
  if (candidate.completion_ids ? candidate.completion_ids->empty() : is_blank(candidate.completion))
    return core::ItemError{"empty completion", ""};
  if (example.prompt_ids || candidate.completion_ids)
    return encode_given_ids(example, candidate, codec, options.append_eos);
  if (example.prompt.is_array() || candidate.completion.is_array())
    return encode_conversation(example, candidate, codec, training && options.assistant_only);
  return encode_plain(example, candidate, codec, options.append_eos);
}

core::Result<std::vector<std::int32_t>> tokenize_prompt(const record::Example& example,
                                                        const TextCodec& codec) {
  if (example.prompt_ids) return check_ids(*example.prompt_ids, codec);
  core::Json prompt = as_read_by(example, codec).prompt;
  if (example.language_modelling && !example.candidates.empty()) {
    const record::Candidate& whole = example.candidates.front();
    if (whole.completion_ids) return check_ids(*whole.completion_ids, codec);
    prompt = whole.completion;  // the text is to be gone on with, the conversation to be answered
    if (prompt.is_array() && prompt.size() > 1 && prompt.back().value("role", "") == "assistant")
      prompt.erase(prompt.size() - 1);
  }
  if (prompt.is_null()) return std::vector<std::int32_t>();
  if (prompt.is_array()) {
    if (prompt.empty()) return core::ItemError{"empty prompt", ""};
    const auto text = render_prompt(prompt, example, codec);
    if (!text.ok()) return text.error();
    return need_tokenizer(codec).encode(text.value(), false);
  }
  return text::encode_pair(need_tokenizer(codec), prompt.get<std::string>(), "").prompt;
}

}  // namespace attune::data
