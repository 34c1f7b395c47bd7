#include "record/example.h"

#include <algorithm>
#include <iterator>
#include <string_view>

namespace attune::record {
namespace {

/// What a record says of itself under these names is no column of the user.
constexpr std::string_view kMembers[] = {"id",    "prompt",           "prompt_ids",          "candidates",
                                         "tools", "reference_answer", "chat_template_kwargs"};

template <class T>
void put(core::Json& out, const char* name, const std::optional<T>& value) {
  if (value) out[name] = *value;
}

void put_list(core::Json& out, const char* name, const auto& values) {
  if (!values.empty()) out[name] = values;
}

template <class T>
core::Json field_json(const std::optional<T>& value) {
  return *value;
}
core::Json field_json(const auto& value) { return value; }

/// Every field of feedback that says something.
void put_feedback(core::Json& out, const Candidate& candidate) {
  const Candidate untouched;
#define ATTUNE_WRITE(type, name, initial, meaning) \
  if (candidate.name != untouched.name) out[#name] = field_json(candidate.name);
  ATTUNE_CANDIDATE_FIELDS(ATTUNE_WRITE)
#undef ATTUNE_WRITE
  if (!candidate.rank) return;
  const double rank = *candidate.rank;  // places are whole numbers and printed as such: 0, not 0.0
  if (rank > -1e15 && rank < 1e15 && rank == static_cast<double>(static_cast<std::int64_t>(rank)))
    out["rank"] = static_cast<std::int64_t>(rank);
}

core::Json candidate_json(const Candidate& candidate) {
  core::Json out = core::Json::object();
  if (!candidate.completion.is_null()) out["completion"] = candidate.completion;
  put(out, "completion_ids", candidate.completion_ids);
  put_list(out, "completion_mask", candidate.completion_mask);
  put_list(out, "steps", candidate.steps);
  put_feedback(out, candidate);
  put_list(out, "logps", candidate.logps);
  put_list(out, "sampling_logps", candidate.sampling_logps);
  return out;
}

}  // namespace

core::Json to_json(const Example& example) {
  core::Json out = core::Json::object();
  put_list(out, "id", example.id);
  if (!example.prompt.is_null()) out["prompt"] = example.prompt;
  put(out, "prompt_ids", example.prompt_ids);
  out["candidates"] = core::Json::array();
  for (const Candidate& candidate : example.candidates)
    out["candidates"].push_back(candidate_json(candidate));
  put_list(out, "reference_answer", example.reference_answer);
  if (!example.tools.is_null()) out["tools"] = example.tools;
  if (!example.chat_template_kwargs.is_null()) out["chat_template_kwargs"] = example.chat_template_kwargs;
  core::Json meta = example.meta;
  for (const std::string& name : example.columns) {
    if (std::ranges::find(kMembers, name) != std::end(kMembers) || !meta.contains(name)) continue;
    out[name] = meta[name];
    meta.erase(name);
  }
  if (!meta.empty()) out["meta"] = std::move(meta);
  return out;
}

}  // namespace attune::record
