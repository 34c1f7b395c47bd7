#include "data/rows/repeated_prompt.h"

#include <algorithm>
#include <cctype>

#include "core/ascii.h"
#include "data/rows/column/columns.h"
#include "data/rows/column/pairs.h"

namespace attune::data {
namespace {

/// Shorter prompts begin many texts by chance: they tell nothing but where every completion has them, and
/// they are more than a word.
constexpr std::size_t kTellingPrompt = 12;

/// What a message says, without the blanks around it.
core::Json said_by(const core::Json& message) {
  const core::Json content = message.value("content", core::Json());
  return content.is_string() ? core::Json(core::trimmed(content.get_ref<const std::string&>())) : content;
}

bool says_the_same(const core::Json& a, const core::Json& b) {
  return a.value("role", core::Json()) == b.value("role", core::Json()) && said_by(a) == said_by(b);
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
  if (!is_whole(completion)) return 0;
  const std::size_t count = prompt.size();
  if (completion[0].value("role", "") == "system" && stands_in(prompt, 0, count, completion, 1))
    return count + 1 < completion.size() ? count + 1 : 0;
  for (std::size_t begin = 0; begin < count; ++begin)
    if (count - begin < completion.size() && stands_in(prompt, begin, count - begin, completion, 0))
      return count - begin;
  return 0;
}

/// Whether every completion brings the same system message before the prompt, or none does.
bool agree_on_system(const std::vector<record::Candidate>& candidates, const std::vector<std::size_t>& counts,
                     std::size_t prompt) {
  const auto brings = [&](std::size_t count) { return count > prompt; };
  if (std::ranges::none_of(counts, brings)) return true;
  if (!std::ranges::all_of(counts, brings)) return false;
  const core::Json& first = candidates.front().completion[0];
  return std::ranges::all_of(candidates,
                             [&](const auto& other) { return says_the_same(first, other.completion[0]); });
}

/// Takes the prompt's messages out of the completions that repeat them; false where none does.
bool settle_messages(record::Example& example) {
  auto& candidates = example.candidates;
  core::Json prompt = example.prompt;
  if (prompt.is_string()) prompt = core::Json::array({message("user", prompt.get<std::string>())});
  std::vector<std::size_t> counts;
  for (const auto& candidate : candidates) counts.push_back(repeated_in(candidate.completion, prompt));
  if (std::ranges::count(counts, 0U) == std::ssize(counts)) return false;
  if (!agree_on_system(candidates, counts, prompt.size())) return false;
  if (counts.front() > prompt.size()) prompt.insert(prompt.begin(), candidates.front().completion[0]);
  example.prompt = std::move(prompt);
  for (std::size_t i = 0; i < candidates.size(); ++i)
    if (counts[i] > 0) candidates[i].completion = messages_from(candidates[i].completion, counts[i]);
  return true;
}

std::string_view text_of(const core::Json& message, std::string_view role) {
  if (message.value("role", core::Json()) != role) return {};
  const auto content = message.find("content");
  if (content == message.end() || !content->is_string()) return {};
  return core::trimmed(content->get_ref<const std::string&>());
}

/// The text of a prompt, or what its last message asks.
std::string_view words_of_prompt(const core::Json& prompt) {
  if (prompt.is_string()) return core::trimmed(prompt.get_ref<const std::string&>());
  return prompt.is_array() && !prompt.empty() ? text_of(prompt.back(), "user") : std::string_view();
}

std::string_view words_of_completion(const core::Json& completion) {
  if (completion.is_string()) return core::trimmed(completion.get_ref<const std::string&>());
  return completion.is_array() && !completion.empty() ? text_of(completion.front(), "assistant")
                                                      : std::string_view();
}

bool goes_on_with(std::string_view text, std::string_view prompt) {
  if (!text.starts_with(prompt) || text.size() == prompt.size()) return false;
  const auto next = static_cast<unsigned char>(text[prompt.size()]);
  return prompt.size() >= kTellingPrompt || (std::isalnum(next) == 0 && next < 0x80);
}

}  // namespace

std::string settle_repeated_prompt(record::Example& example) {
  const auto& candidates = example.candidates;
  if (example.language_modelling || candidates.empty() || is_blank(example.prompt)) return "";
  if (settle_messages(example)) return "the completions repeat the prompt's messages, which are read once";
  const std::string_view prompt = words_of_prompt(example.prompt);
  const auto repeats = std::ranges::count_if(candidates, [&](const auto& candidate) {
    return goes_on_with(words_of_completion(candidate.completion), prompt);
  });
  const bool every = repeats == std::ssize(candidates);
  const bool telling =
      prompt.size() >= kTellingPrompt || (every && prompt.find_first_of(" \t\r\n") != std::string_view::npos);
  if (repeats == 0 || prompt.empty() || !telling) return "";
  return every ? "every completion begins with the prompt, which so stands there twice"
               : "some of the completions begin with the prompt, which so stands there twice";
}

}  // namespace attune::data
