// The one record: a prompt with candidates and feedback on them (interface.md §2). Every dataset format
// becomes this.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/json.h"

namespace attune::data {

/// What was said of one completion. Absent numbers are nullopt.
struct Judgement {
  std::uint32_t index = 0;     ///< its place among the record's candidates, kept when others are left out
  std::optional<double> rank;  ///< 0 is best; equal ranks are ties
  std::optional<bool> label;
  std::optional<double> reward, margin, preference;
  double weight = 1;
};

/// One completion with whatever feedback there is on it.
struct Candidate : Judgement {
  core::Json completion;  ///< text or messages; null when ids stand in its place
  std::optional<std::vector<std::int32_t>> completion_ids;
  std::vector<std::uint8_t> completion_mask;  ///< with ids: 1 where trained on; empty = everywhere
  std::vector<std::string> steps;             ///< their join is the completion
  std::vector<double> step_scores;
  std::map<std::string, double> scores;  ///< attribute → number
  std::string source, annotator, finish_reason;
  std::vector<double> logps, sampling_logps;
};

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

}  // namespace attune::data
