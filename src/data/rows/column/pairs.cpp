#include "data/rows/column/pairs.h"

#include <algorithm>

namespace attune::data {

void add_pair(Columns& columns, record::Example& example, core::Json chosen, core::Json rejected) {
  example.candidates.push_back(make_candidate(std::move(chosen), 0));
  example.candidates.push_back(make_candidate(std::move(rejected), 1));
  example.candidates[0].reward = columns.number("score_chosen");
  example.candidates[1].reward = columns.number("score_rejected");
  example.candidates[0].margin = columns.number("margin");
}

std::size_t shared_text(std::string_view chosen, std::string_view rejected) {
  const std::size_t shorter = std::min(chosen.size(), rejected.size());
  std::size_t at = static_cast<std::size_t>(
      std::mismatch(chosen.begin(), chosen.begin() + static_cast<std::ptrdiff_t>(shorter), rejected.begin())
          .first -
      chosen.begin());
  const auto continues_character = [](std::string_view text, std::size_t i) {
    return i < text.size() && (static_cast<unsigned char>(text[i]) & 0xC0) == 0x80;
  };
  while (at > 0 && (continues_character(chosen, at) || continues_character(rejected, at))) --at;
  if (at > 0 && chosen[at - 1] == ' ') --at;
  return at;
}

namespace {

/// Whether two messages say the same, in whatever order their members stand.
bool equal_messages(const core::Json& a, const core::Json& b) {
  if (!a.is_object() || !b.is_object() || a.size() != b.size()) return a == b;
  return std::ranges::all_of(a.items(), [&](const auto& member) {
    const auto found = b.find(member.key());
    return found != b.end() && *found == member.value();
  });
}

}  // namespace

std::size_t shared_messages(const core::Json& chosen, const core::Json& rejected) {
  std::size_t count = 0;
  while (count < chosen.size() && count < rejected.size() && equal_messages(chosen[count], rejected[count]))
    ++count;
  return count;
}

core::Json messages_from(const core::Json& messages, std::size_t from) {
  core::Json out = core::Json::array();
  for (std::size_t i = from; i < messages.size(); ++i) out.push_back(messages[i]);
  return out;
}

}  // namespace attune::data
