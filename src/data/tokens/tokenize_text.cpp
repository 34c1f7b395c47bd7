#include "data/tokens/tokenize_text.h"

#include <algorithm>

#include "data/rows/column/columns.h"
#include "data/tokens/conversation/end_token.h"
#include "data/tokens/token_spans.h"

namespace attune::data {
namespace {

/// The completion with the end-of-sequence text, where one is wanted and not there.
struct EndedText {
  std::string text;
  bool wanted = false;  ///< the ids must end in the end-of-sequence token
  bool cut = false;     ///< a limit ended it, so they must not
};

EndedText ended(const std::string& text, const record::Candidate& candidate, const TextCodec& codec,
                bool append) {
  const bool cut = record::was_cut(candidate);
  EndedText out{text, append && codec.eos_id && !cut, cut};
  const std::string end = out.wanted ? end_text(codec) : "";
  out.text = with_one_end(text, end);
  if (!out.text.ends_with(end)) out.text += end;
  return out;
}

/// As TRL, the token is written into the text, so that a token before it cannot join with what is added.
/// Where the tokenizer's post-processor adds it too, the text's own stays; after a text that a limit cut none
/// does.
/// @param closing ids that the post-processor put at the end
void settle_end(std::vector<std::int32_t>& ids, std::span<const std::int32_t> closing, const EndedText& text,
                const TextCodec& codec) {
  if (!codec.eos_id) return;
  const std::int32_t eos = *codec.eos_id;
  const std::size_t own = ids.size() - std::min(closing.size(), ids.size());
  const bool closes = std::ranges::find(closing, eos) != closing.end();
  if (closes && (text.cut || (own > 0 && ids[own - 1] == eos))) ids.resize(own);
  if (text.wanted && (ids.empty() || ids.back() != eos)) ids.push_back(eos);
}

/// Of given ids, which need not be those that the tokenizer makes of the text: then a step ends where they
/// have said as much as it says, both as the tokenizer writes it (its rules may have changed the text).
std::vector<std::int32_t> step_ends_of_ids(const record::Candidate& candidate,
                                           const text::Tokenizer& tokenizer,
                                           std::span<const std::int32_t> ids) {
  std::string text;
  for (const auto& step : candidate.steps) text += step;
  const auto placed = tokenizer.encode_placed(text, false);
  if (placed.ids.size() <= ids.size() && std::equal(placed.ids.begin(), placed.ids.end(), ids.begin()))
    return find_step_ends(candidate, placed.places, 0, 0);
  text::StreamDecoder decoder(tokenizer);
  std::vector<text::TextSpan> said;
  for (const std::int32_t id : ids) {
    const std::size_t begin = said.empty() ? 0 : said.back().second;
    said.emplace_back(begin, begin + decoder.push(id).size());
  }
  std::vector<std::size_t> boundaries;
  for (const std::size_t end : step_boundaries(candidate, 0))
    boundaries.push_back(tokenizer.decode(tokenizer.encode(text.substr(0, end), false)).size());
  return tokens_before(said, boundaries);
}

/// The first id that the model's embedding has no row for, as this row's problem. Given ids may lie there,
/// and those of texts where a token was added to the tokenizer alone.
std::optional<core::ItemError> outside_vocabulary(std::span<const std::int32_t> ids, const TextCodec& codec) {
  if (codec.vocab_size == 0) return {};
  const auto id = std::ranges::find_if(ids, [&](std::int32_t i) { return i >= codec.vocab_size; });
  if (id == ids.end()) return {};
  const std::string token = codec.tokenizer ? codec.tokenizer->token(*id) : "";
  return core::ItemError{
      "token id outside the vocabulary",
      fmt::format("{}{} with a vocabulary of {}", *id,
                  token.empty() ? "" : " (" + core::to_line(core::Json(token)) + ")", codec.vocab_size)};
}

core::Result<Encoded> encode_given_ids(const record::Example& example, const record::Candidate& candidate,
                                       const TextCodec& codec, bool append_eos) {
  Encoded out;
  if (!example.language_modelling) {
    auto prompt = tokenize_prompt(example, codec);
    if (!prompt.ok()) return prompt.error();
    out.prompt = std::move(prompt.value());
  }
  if (candidate.completion_ids) {
    out.completion = *candidate.completion_ids;
  } else if (candidate.completion.is_string()) {
    const auto& tokenizer = need_tokenizer(codec);
    const EndedText text = ended(candidate.completion.get<std::string>(), candidate, codec, append_eos);
    auto placed = tokenizer.encode_placed(text.text, false);
    out.completion = std::move(placed.ids);
    settle_end(out.completion, {}, text, codec);
    out.step_ends = find_step_ends(candidate, placed.places, 0, 0);
  } else {
    return core::ItemError{"messages cannot follow prompt_ids", ""};
  }
  out.mask = candidate.completion_mask;
  if (!codec.tokenizer) return out;
  if (candidate.completion_ids && !candidate.steps.empty())
    out.step_ends = step_ends_of_ids(candidate, *codec.tokenizer, out.completion);
  out.rendered = codec.tokenizer->decode(out.prompt) + codec.tokenizer->decode(out.completion);
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
  settle_end(out.completion, tokenizer.closing_ids(), text, codec);
  out.rendered = prompt + text.text;
  if (!candidate.steps.empty())
    out.step_ends = find_step_ends(candidate, tokenizer.encode_placed(out.rendered).places, prompt.size(),
                                   out.prompt.size());
  return out;
}

core::Result<Encoded> encode_unchecked(const record::Example& example, const record::Candidate& candidate,
                                       const TextCodec& codec, const DataOptions& options, bool training) {
  if (example.prompt_ids || candidate.completion_ids)
    return encode_given_ids(example, candidate, codec, options.append_eos);
  if (example.prompt.is_array() || candidate.completion.is_array())
    return encode_conversation(example, candidate, codec, options, training);
  return encode_plain(example, candidate, codec, options.append_eos);
}

core::Result<std::vector<std::int32_t>> encode_prompt(const record::Example& example, const TextCodec& codec,
                                                      std::string* rendered) {
  if (example.prompt_ids) return *example.prompt_ids;
  core::Json prompt = as_read_by(example, codec).prompt;
  if (example.language_modelling && !example.candidates.empty()) {
    const record::Candidate& whole = example.candidates.front();
    if (whole.completion_ids) return *whole.completion_ids;
    prompt = whole.completion;  // the text is to be gone on with, the conversation to be answered
    if (prompt.is_array() && prompt.size() > 1 && prompt.back().value("role", "") == "assistant")
      prompt.erase(prompt.size() - 1);
  }
  if (prompt.is_null()) return std::vector<std::int32_t>();
  if (prompt.is_array()) {
    if (prompt.empty()) return core::ItemError{"empty prompt", ""};
    const auto text = render_prompt(prompt, example, codec);
    if (!text.ok()) return text.error();
    if (rendered != nullptr) *rendered = text.value();
    return need_tokenizer(codec).encode(text.value(), false);
  }
  return text::encode_pair(need_tokenizer(codec), prompt.get<std::string>(), "").prompt;
}

}  // namespace

std::vector<std::size_t> step_boundaries(const record::Candidate& candidate, std::size_t start) {
  std::vector<std::size_t> out;
  for (const auto& step : candidate.steps) out.push_back(start += step.size());
  return out;
}

std::vector<std::int32_t> find_step_ends(const record::Candidate& candidate,
                                         std::span<const text::TextSpan> places, std::size_t begin,
                                         std::size_t first) {
  return tokens_before(places.subspan(std::min(first, places.size())), step_boundaries(candidate, begin));
}

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
  auto encoded = encode_unchecked(example, candidate, codec, options, training);
  if (!encoded.ok()) return encoded;
  for (const auto* ids : {&encoded.value().prompt, &encoded.value().completion})
    if (auto problem = outside_vocabulary(*ids, codec)) return *problem;
  return encoded;
}

core::Result<std::vector<std::int32_t>> tokenize_prompt(const record::Example& example,
                                                        const TextCodec& codec, std::string* rendered) {
  auto ids = encode_prompt(example, codec, rendered);
  if (!ids.ok()) return ids;
  if (auto problem = outside_vocabulary(ids.value(), codec)) return *problem;
  return ids;
}

}  // namespace attune::data
