// tokenize_example: the completions of a record brought onto one prompt, masked, and cut to length.
#include <algorithm>
#include <limits>
#include <utility>

#include "core/system.h"
#include "data/tokens/tokenize_text.h"
#include "data/tokens/trained.h"

namespace attune::data {
namespace {

using Completion = TokenizedExample::Completion;
using Ids = std::vector<std::int32_t>;

void erase_front(auto& list, std::size_t count) {
  list.erase(list.begin(), list.begin() + static_cast<std::ptrdiff_t>(std::min(count, list.size())));
}

/// The shortest of the prompts is what all completions share, as in TRL; longer ones move their end into
/// their completion. Where prompts differ (templates that write a question by what follows it) only what is
/// equal is shared, and what is left of each stays prompt: nobody trains on it.
void share_prompt(std::vector<Encoded>& all, bool training, TokenizedExample& out) {
  std::size_t shared = std::numeric_limits<std::size_t>::max();
  for (const auto& one : all) shared = std::min(shared, one.prompt.size());
  std::size_t equal = shared;
  for (const auto& one : all) equal = std::min(equal, common_prefix(all[0].prompt, one.prompt));
  const bool differ = equal < shared;
  shared = equal;
  out.prompt.assign(all[0].prompt.begin(), all[0].prompt.begin() + static_cast<std::ptrdiff_t>(shared));
  out.rendered = all[0].rendered;
  for (auto& one : all) {
    const auto tail = one.prompt.size() - shared;
    Completion completion;
    completion.ids.assign(one.prompt.begin() + static_cast<std::ptrdiff_t>(shared), one.prompt.end());
    completion.ids.insert(completion.ids.end(), one.completion.begin(), one.completion.end());
    completion.mask.assign(tail, training && !differ ? 1 : 0);
    if (one.mask.empty()) one.mask.assign(one.completion.size(), 1);
    completion.mask.insert(completion.mask.end(), one.mask.begin(), one.mask.end());
    completion.step_ends = std::move(one.step_ends);
    for (auto& end : completion.step_ends) end += static_cast<std::int32_t>(tail);
    completion.prompt_tail = training && !differ ? 0 : static_cast<std::int32_t>(tail);
    completion.straddles = one.straddles;
    out.completions.push_back(std::move(completion));
  }
}

/// Keeps the first `room` tokens of a completion.
void keep_start(Completion& completion, std::size_t room) {
  if (completion.ids.size() <= room) return;
  completion.ids.resize(room);
  completion.mask.resize(room);
  while (!completion.step_ends.empty() && completion.step_ends.back() >= static_cast<std::int32_t>(room))
    completion.step_ends.pop_back();
  completion.truncated = true;
}

/// Takes `count` ids away at the start of a completion; first those that belong to the prompt.
void drop_start(Completion& completion, std::size_t count) {
  erase_front(completion.ids, count);
  erase_front(completion.mask, count);
  const auto cut = static_cast<std::int32_t>(count), of_prompt = std::min(cut, completion.prompt_tail);
  completion.prompt_tail -= of_prompt;
  std::vector<std::int32_t> ends;
  for (const std::int32_t end : completion.step_ends) {
    if (end >= cut)
      ends.push_back(end - cut);
    else
      ++completion.dropped_steps;
  }
  completion.step_ends = std::move(ends);
  completion.dropped_front += cut - of_prompt;
}

/// Keeps the last `limit` tokens of each sequence. Sequences that lose different amounts share no prompt any
/// more: what is left of it stands, masked, at the start of each completion.
void keep_end(TokenizedExample& example, std::size_t limit) {
  std::size_t least = std::numeric_limits<std::size_t>::max(), most = 0;
  for (const auto& completion : example.completions) {
    const std::size_t length = example.prompt.size() + completion.ids.size();
    const std::size_t over = length > limit ? length - limit : 0;
    least = std::min(least, over);
    most = std::max(most, over);
  }
  if (most == 0) return;
  const bool together = least == most;
  for (auto& completion : example.completions) {
    const std::size_t length = example.prompt.size() + completion.ids.size();
    const std::size_t over = length > limit ? length - limit : 0;
    completion.truncated = over > 0;
    if (over > example.prompt.size()) drop_start(completion, over - example.prompt.size());
    if (together || over >= example.prompt.size()) continue;
    const Ids rest(example.prompt.begin() + static_cast<std::ptrdiff_t>(over), example.prompt.end());
    completion.ids.insert(completion.ids.begin(), rest.begin(), rest.end());
    completion.mask.insert(completion.mask.begin(), rest.size(), 0);
    for (auto& end : completion.step_ends) end += static_cast<std::int32_t>(rest.size());
    completion.prompt_tail += static_cast<std::int32_t>(rest.size());
  }
  if (together)
    erase_front(example.prompt, most);
  else
    example.prompt.clear();
}

/// Tokens that a sequence may have; 0 = any number. Without data.max_length that is the model's context; a
/// length that is asked for counts beyond it as well, as far as positions go.
std::int64_t longest_sequence(std::int64_t max_length, const TextCodec& codec) {
  if (codec.max_positions == 0) return max_length;
  if (max_length == 0) return codec.max_positions;
  return codec.positions_end ? std::min(max_length, codec.max_positions) : max_length;
}

std::optional<core::ItemError> truncate(TokenizedExample& example, const TextCodec& codec,
                                        const DataOptions& options) {
  if (options.max_prompt_length > 0 && std::ssize(example.prompt) > options.max_prompt_length) {
    erase_front(example.prompt, example.prompt.size() - static_cast<std::size_t>(options.max_prompt_length));
    for (auto& completion : example.completions) completion.truncated = true;
  }
  // Prompts alone: only the context counts.
  const std::int64_t limit = longest_sequence(example.completions.empty() ? 0 : options.max_length, codec);
  if (limit == 0) return {};
  const auto most = static_cast<std::size_t>(limit);
  if (options.truncation == "keep_end" && !example.completions.empty()) {
    keep_end(example, most);
    return {};
  }
  if (example.prompt.size() >= most)
    return core::ItemError{"prompt leaves no room",
                           fmt::format("{} tokens of {}", example.prompt.size(), limit)};
  for (auto& completion : example.completions) {
    keep_start(completion, most - example.prompt.size());
    if (completion.truncated && std::ssize(completion.ids) <= completion.prompt_tail)
      return core::ItemError{"prompt leaves no room", fmt::format("{} tokens and more of {}", limit, limit)};
  }
  return {};
}

/// Something to train on in every completion.
std::optional<core::ItemError> check_trained(const TokenizedExample& example) {
  for (const auto& completion : example.completions)
    if (trained_count(example.prompt.size(), completion.mask) == 0)
      return core::ItemError{"no trained tokens", ""};
  return {};
}

}  // namespace

record::Example as_read_by(record::Example example, const TextCodec& codec) {
  if (codec.chat_template || !example.plain_prompt) return example;
  example.prompt = *std::exchange(example.plain_prompt, std::nullopt);
  for (record::Candidate& candidate : example.candidates)
    if (candidate.completion.is_array() && candidate.completion.size() == 1)
      candidate.completion = core::Json(candidate.completion[0]["content"]);
  return example;
}

std::string length_limit_text(const DataOptions& options, const TextCodec& codec) {
  std::string text;
  if (options.max_prompt_length > 0)
    text = fmt::format("data.max_prompt_length={}", options.max_prompt_length);
  const std::int64_t limit = longest_sequence(options.max_length, codec);
  if (limit == 0) return text;
  if (!text.empty()) text += " and ";
  return text + (limit == options.max_length ? fmt::format("data.max_length={}", limit)
                                             : fmt::format("the model's context of {}", limit));
}

std::string beyond_context_text(std::int64_t longest, std::int64_t context) {
  if (context == 0 || longest <= context) return "";
  return fmt::format(
      "the longest sequence has {}, and the model was made for {}: what stands beyond is seldom understood "
      "(data.max_length={} cuts there)",
      core::counted(longest, "token"), context, context);
}

core::Result<TokenizedExample> tokenize_example(const record::Example& record, const TextCodec& codec,
                                                const DataOptions& options, bool training) {
  const record::Example example = as_read_by(record, codec);
  TokenizedExample out;
  std::vector<Encoded> encoded;
  for (const record::Candidate& candidate : example.candidates) {
    auto one = encode_candidate(example, candidate, codec, options, training);
    if (!one.ok()) return one.error();
    encoded.push_back(std::move(one.value()));
  }
  if (encoded.empty()) {
    auto prompt = tokenize_prompt(example, codec);
    if (!prompt.ok()) return prompt.error();
    out.prompt = std::move(prompt.value());
    if (out.prompt.empty()) return core::ItemError{"empty prompt", ""};
    if (codec.tokenizer) out.rendered = codec.tokenizer->decode(out.prompt);
  } else {
    share_prompt(encoded, training, out);
  }
  if (!options.teacher_system.empty() && !example.language_modelling) {
    auto prompt = tokenize_teacher_prompt(example, codec, options.teacher_system, out.prompt);
    if (!prompt.ok()) return prompt.error();
    out.teacher_prompt = std::move(prompt.value());
  }
  auto problem = truncate(out, codec, options);
  if (!problem && training) problem = check_trained(out);
  if (problem) return *problem;
  return out;
}

}  // namespace attune::data
