// One record as ids: what Dataset, score, tokenize and generate share.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/error.h"
#include "data/options.h"
#include "data/tokens/codec.h"
#include "record/example.h"

namespace attune::data {

/// Tokens of one Example.
struct TokenizedExample {
  std::vector<std::int32_t> prompt;
  struct Completion {
    std::vector<std::int32_t> ids;
    std::vector<std::uint8_t> mask;
    std::vector<std::int32_t> step_ends;
    /// Leading ids that belong to the prompt of this completion: `prompt` is what all completions share, and
    /// another one may straddle its end, or be cut elsewhere (keep_end). When training, ids of the first kind
    /// count as completion, as TRL counts them.
    std::int32_t prompt_tail = 0;
    std::int32_t dropped_front = 0;  ///< completion ids that truncation (keep_end) took away at its start
    std::int32_t dropped_steps = 0;  ///< steps that went with them
    bool straddles = false, truncated = false;
  };
  std::vector<Completion> completions;
  /// What a teacher reads instead of `prompt` (DataOptions::teacher_system); the same completions follow.
  /// Never cut. Empty when nothing is asked for, and for texts without a prompt.
  std::vector<std::int32_t> teacher_prompt;
  std::string
      rendered;  ///< the text that was tokenised (prompt + first completion), for `check` and `tokenize`
};

/// Ids with the end-of-sequence token where options.append_eos wants it, cut as the options say.
/// @param training marks what is trained on; rows without such tokens are unusable. When scoring, ids of the
/// prompt that stand in a completion stay prompt (prompt_tail) and the mask says nothing. An ItemError says
/// why the row is unusable.
core::Result<TokenizedExample> tokenize_example(const record::Example& example, const TextCodec& codec,
                                                const DataOptions& options, bool training);

/// The tokens of a row that cannot be used, uncut and none of them trained on, for who shows it: of its
/// prompt alone where its completions give none, and nothing where not even that can be made.
std::optional<TokenizedExample> tokenize_unusable(record::Example example, TextCodec codec,
                                                  DataOptions options);

/// The example as a model reads it: where it has no chat template and the format knows a plain form, prompt
/// and completions are texts instead of messages. The functions here see to it themselves; for who writes
/// the record.
record::Example as_read_by(record::Example example, const TextCodec& codec);

/// What rows are cut to, for messages: "data.max_length=1024" or "the model's context of 512", whichever is
/// shorter; with data.max_prompt_length before it where that is given. "" when nothing is cut.
std::string length_limit_text(const DataOptions& options, const TextCodec& codec);

/// A warning where sequences go beyond the model's context, "" where none does.
/// @param longest tokens of the longest one. @param context 0: unknown
std::string beyond_context_text(std::int64_t longest, std::int64_t context);

/// The prompt alone, ready to be continued (generation prompt added).
/// @param rendered gets the text that the chat template made of it; may be null
core::Result<std::vector<std::int32_t>> tokenize_prompt(const record::Example& example,
                                                        const TextCodec& codec,
                                                        std::string* rendered = nullptr);

}  // namespace attune::data
