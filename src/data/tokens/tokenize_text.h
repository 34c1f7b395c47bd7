// The three ways from a record to ids: given ids, plain text, conversations. Each gives the whole prompt's
// ids and, for each completion, where it starts and what follows.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "data/tokens/tokenize.h"
#include "text/text_span.h"

namespace attune::data {

/// A prompt with one completion, before the completions of a record are brought onto one prompt.
struct Encoded {
  std::vector<std::int32_t> prompt, completion;
  std::vector<std::uint8_t> mask;  ///< [completion]; empty = 1 everywhere
  std::vector<std::int32_t> step_ends;
  bool straddles = false;
  std::string rendered;
};

/// One candidate of an example as ids, with the end-of-sequence token as the options say. Masks of
/// conversations are made for `training` only.
/// @throws Error{kRequest} when the model folder lacks the tokenizer or template that texts need.
core::Result<Encoded> encode_candidate(const record::Example& example, const record::Candidate& candidate,
                                       const TextCodec& codec, const DataOptions& options, bool training);

/// Where each step of a candidate ends in a text: bytes from its start.
/// @param start where the first one begins
std::vector<std::size_t> step_boundaries(const record::Candidate& candidate, std::size_t start);
/// The token of a completion at which each step ends.
/// @param places of all tokens. @param begin the byte at which the completion begins, @param first its first
/// token
std::vector<std::int32_t> find_step_ends(const record::Candidate& candidate,
                                         std::span<const text::TextSpan> places, std::size_t begin,
                                         std::size_t first);

/// A conversation: prompt and completion as messages, or one of them as text beside the other as messages.
core::Result<Encoded> encode_conversation(const record::Example& example, const record::Candidate& candidate,
                                          const TextCodec& codec, const DataOptions& options, bool training);
/// The prompt of a conversation as it is given to the model: opened for an answer, or to be continued where
/// the last message is the assistant's and no message of its own follows.
core::Result<std::string> render_prompt(const core::Json& messages, const record::Example& example,
                                        const TextCodec& codec, bool answered_by_message = false);

/// What a teacher reads in place of the prompt; empty where there is no prompt. It ends where the shared
/// prompt ends, so that the same completions follow: tokens that the completions begin with are left out of
/// it as well.
/// @param example as read by the model; @param shared the prompt that all completions share
core::Result<std::vector<std::int32_t>> tokenize_teacher_prompt(record::Example example,
                                                                const TextCodec& codec,
                                                                const std::string& system,
                                                                std::span<const std::int32_t> shared);

std::size_t common_prefix(std::span<const std::int32_t> a, std::span<const std::int32_t> b);

}  // namespace attune::data
