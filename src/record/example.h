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
  core::Json tools;                 ///< list or null
  core::Json meta;                  ///< object; other columns of the row end up here
  core::Json chat_template_kwargs;  ///< object or null
  bool language_modelling = false;  ///< a `text` or `messages` row: the candidate is the whole text
};

/// Native JSON ↔ Example. Writing leaves out what is absent.
core::Json to_json(const Example& example);

}  // namespace attune::record
