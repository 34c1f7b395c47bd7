// The settings of data=….
#pragma once

#include <cstdint>
#include <string>

#include "core/config/fields.h"
#include "core/json.h"

namespace attune::data {

struct DataOptions {
  /// A file or folder, or a list of these; an entry may be {path, weight}, weight being how often each of its
  /// rows is seen in an epoch (0.5: every second row).
  core::Json path;
  std::string split, field, format = "auto", on_error = "fail", truncation = "keep_start";
  core::Json columns;  ///< {prompt: question, …}
  std::int64_t limit = 0;
  bool shuffle = true, append_eos = true;
  /// What a conversation becomes: auto, split (a row for each assistant turn) or whole.
  std::string turns = "auto";
  bool assistant_only = false;  ///< of conversations, train on what the assistant said and on nothing else
  std::int64_t max_length = 1024, max_prompt_length = 0;  ///< tokens; 0 = no limit but the model's context
  /// What a teacher reads before the prompt, as a system message or, before a plain prompt, as text; "":
  /// nothing.
  std::string teacher_system;
  void declare(core::Fields& fields);
  std::string key = "data";  ///< the setting that these are, for messages: data, eval.data …
  bool given() const;        ///< whether there is a path
  std::string name() const;  ///< for messages: "prefs.jsonl", "prefs.jsonl and 2 more"
};

}  // namespace attune::data
