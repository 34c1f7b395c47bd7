#include "data/tokens/conversation/answer_place.h"

#include <algorithm>

#include "text/chat_template.h"

namespace attune::data {
namespace {

/// Differ from their first character on, so that no completion begins as both.
constexpr std::string_view kOtherWords[] = {"attuneanswer7291", "7291answerattune"};

/// The completion with other words at its beginning, and nothing there but words.
core::Json saying(core::Json completion, std::string_view words) {
  if (!completion.is_array() || completion.empty()) return core::Json(words);
  core::Json& first = completion[0];
  const bool parts = first.contains("content") && first["content"].is_array();
  first["content"] = parts ? core::Json::array({{{"type", "text"}, {"text", words}}}) : core::Json(words);
  for (const char* name : text::kReasoningFields) first.erase(name);
  for (const char* name : {"tool_calls", "function_call"}) first.erase(name);
  return completion;
}

}  // namespace

std::optional<std::size_t> place_of_completion(
    std::string_view whole, const core::Json& completion,
    const std::function<std::string(const core::Json& completion)>& render) {
  std::size_t place = whole.size();
  for (const std::string_view words : kOtherWords) {
    const std::string other = render(saying(completion, words));
    if (other.find(words) == std::string::npos) return {};
    const auto parted = std::ranges::mismatch(whole, other).in1;
    place = std::min(place, static_cast<std::size_t>(parted - whole.begin()));
  }
  return place;
}

}  // namespace attune::data
