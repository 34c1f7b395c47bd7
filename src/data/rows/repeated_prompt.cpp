#include "data/rows/repeated_prompt.h"

#include <algorithm>

#include "data/rows/columns.h"
#include "data/rows/pairs.h"

namespace attune::data {
namespace {

/// Prompts shorter than this begin many texts by chance.
constexpr std::size_t kTellingPrompt = 12;

bool says_the_same(const core::Json& a, const core::Json& b) {
  const auto same = [&](const char* name) {
    return a.value(name, core::Json()) == b.value(name, core::Json());
  };
  return same("role") && same("content");
}

/// Whether messages [at, at + count) of `a` are the first ones of `b` from `from` on.
bool stands_in(const core::Json& a, std::size_t at, std::size_t count, const core::Json& b,
               std::size_t from) {
  for (std::size_t i = 0; i < count; ++i)
    if (at + i >= a.size() || from + i >= b.size() || !says_the_same(a[at + i], b[from + i])) return false;
  return true;
}

/// A conversation that somebody else than the assistant begins.
bool is_whole(const core::Json& completion) {
  return is_messages(completion) && completion.size() > 1 &&
         completion.front().value("role", "") != "assistant";
}

/// How many leading messages of a completion repeat the prompt: all of it, after a system message of the
/// completion's own, or the end of it.
std::size_t repeated_in(const core::Json& completion, const core::Json& prompt) {
  const std::size_t count = prompt.size();
  if (completion[0].value("role", "") == "system" && stands_in(prompt, 0, count, completion, 1))
    return count + 1;
  for (std::size_t begin = 0; begin < count; ++begin)
    if (stands_in(prompt, begin, count - begin, completion, 0)) return count - begin;
  return 0;
}

bool all_texts_begin_with(const std::string& prompt, const std::vector<record::Candidate>& candidates) {
  return prompt.size() >= kTellingPrompt && std::ranges::all_of(candidates, [&](const auto& candidate) {
           return candidate.completion.is_string() &&
                  candidate.completion.template get_ref<const std::string&>().starts_with(prompt);
         });
}

}  // namespace

std::string settle_repeated_prompt(record::Example& example) {
  auto& candidates = example.candidates;
  if (example.language_modelling || candidates.empty() || is_blank(example.prompt)) return "";
  if (example.prompt.is_string() && all_texts_begin_with(example.prompt.get<std::string>(), candidates))
    return "every completion begins with the prompt, which so stands there twice";
  if (!std::ranges::all_of(candidates, [](const auto& candidate) { return is_whole(candidate.completion); }))
    return "";
  core::Json prompt = example.prompt;
  if (prompt.is_string()) prompt = core::Json::array({message("user", prompt.get<std::string>())});
  const core::Json first = candidates.front().completion;
  const std::size_t count = repeated_in(first, prompt);
  for (const auto& candidate : candidates)
    if (count == 0 || count >= candidate.completion.size() ||
        !stands_in(first, 0, count, candidate.completion, 0))
      return "";
  if (count > prompt.size()) prompt.insert(prompt.begin(), first[0]);
  example.prompt = std::move(prompt);
  for (auto& candidate : candidates) candidate.completion = messages_from(candidate.completion, count);
  return "the completions repeat the prompt's messages, which are read once";
}

}  // namespace attune::data
