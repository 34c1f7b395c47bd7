// What an assistant thought before it spoke, as messages hold it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/json.h"

namespace attune::data {

/// Under a member of its own (text::kReasoningFields), or inside <think>…</think> at the beginning of what is
/// said; without the blanks around it.
struct Thought {
  std::string place;  ///< the member, or "<think>"
  std::string_view text;
};
std::vector<Thought> thoughts_of(const core::Json& message);

/// The same message thinking something else.
core::Json with_thought(core::Json message, const std::string& text);

/// What comes after a thought; the text itself where it holds none.
std::string_view after_thought(std::string_view text);

}  // namespace attune::data
