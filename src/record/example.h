// The one record: a prompt with candidates and feedback on them. Every dataset format becomes this.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "record/candidate.h"

namespace attune::record {

struct Example {
  std::string id;
  core::Json prompt;  ///< text, messages, or null (plain language modelling, or ids in its place)
  /// What stands for a prompt of messages where the model has no chat template; only formats that hold texts
  /// and become messages (instructions) know one.
  std::optional<std::string> plain_prompt;
  std::optional<std::vector<std::int32_t>> prompt_ids;
  std::vector<Candidate> candidates;
  std::string reference_answer;
  core::Json tools;  ///< list or null
  core::Json meta;   ///< object; other columns of the row end up here
  std::vector<std::string>
      columns;                      ///< members of meta that were columns of the row, and are written as such
  core::Json chat_template_kwargs;  ///< object or null
  bool language_modelling = false;  ///< a `text` or `messages` row: the candidate is the whole text
};

/// The native record. What is absent is left out; columns that nobody reads stand where they stood.
core::Json to_json(const Example& example);

}  // namespace attune::record
