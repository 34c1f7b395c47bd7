// One message of a conversation, whichever way it is written.
#pragma once

#include <string>

#include "core/json.h"

namespace attune::data {

/// An object with "role", or "from" and "value" as ShareGPT writes it, also mixed and in another case.
bool is_message(const core::Json& value);

/// A message as {"role", "content", …}, with the usual names of roles.
core::Json usual_message(const core::Json& message);

/// "user", "assistant" … for ShareGPT's "human", "gpt" … and for "User", "Assistant" …; other names stay.
std::string chat_role(const std::string& name);

}  // namespace attune::data
