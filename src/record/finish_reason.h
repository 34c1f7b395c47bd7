// Why a text ended, in the words of those who serve models.
#pragma once

#include <string_view>

namespace attune::record {

enum class Ending {
  kOwn,        ///< the model ended it: stop, eos, end_turn, tool_calls …
  kLimit,      ///< a limit cut it: length, max_tokens, model_length …
  kBrokenOff,  ///< it was stopped from outside: content_filter, abort, error …
  kUnknown,    ///< none of the known words
};

/// Whatever the case, and with "-" and " " as "_": "MAX_TOKENS", "FinishReason.MAX_TOKENS", "max-tokens".
Ending ending_of(std::string_view finish_reason);

/// Whether more would have followed: nothing is put behind such a text that says it had ended.
inline bool is_cut(Ending ending) { return ending == Ending::kLimit || ending == Ending::kBrokenOff; }

}  // namespace attune::record
