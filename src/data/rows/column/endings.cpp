#include "data/rows/column/endings.h"

#include <algorithm>

#include "record/finish_reason.h"

namespace attune::data {
namespace {

constexpr const char* kColumn = "finish_reason";

/// A reason for each of the candidates, in a column of this name.
bool is_list_of_endings(const core::Json& column, std::size_t candidates) {
  return column.is_array() && column.size() == candidates &&
         std::ranges::all_of(column, [](const auto& one) { return one.is_string() || one.is_null(); });
}

void set_ending(record::Candidate& candidate, const core::Json& reason) {
  if (candidate.finish_reason.empty() && reason.is_string())
    candidate.finish_reason = reason.get<std::string>();
}

void read_lists(Columns& columns, record::Example& example) {
  for (const char* name : {kColumn, "finish_reasons"}) {
    if (!is_list_of_endings(columns.peek(name), example.candidates.size())) continue;
    const core::Json& reasons = columns.take(name);
    for (std::size_t i = 0; i < reasons.size(); ++i) set_ending(example.candidates[i], reasons[i]);
  }
}

void read_pair(Columns& columns, record::Example& example) {
  const char* const roles[] = {"chosen", "rejected"};
  for (std::size_t i = 0; i < 2; ++i)
    for (const std::string& name :
         {std::string(kColumn) + "_" + roles[i], roles[i] + std::string("_") + kColumn})
      if (columns.peek(name).is_string()) set_ending(example.candidates[i], columns.take(name));
}

}  // namespace

void read_endings(Columns& columns, record::Example& example) {
  auto& candidates = example.candidates;
  // What a completion itself says of its end goes before the row's column, which then is the user's.
  if (candidates.size() == 1 && candidates[0].finish_reason.empty() && columns.peek(kColumn).is_string())
    set_ending(candidates[0], columns.take(kColumn));
  if (!candidates.empty()) read_lists(columns, example);
  if (candidates.size() == 2) read_pair(columns, example);
  for (record::Candidate& candidate : candidates)
    if (record::is_cut(record::ending_of(candidate.finish_reason))) candidate.truncated = true;
}

std::vector<std::string> odd_endings(const record::Example& example) {
  std::vector<std::string> odd;
  for (const record::Candidate& candidate : example.candidates) {
    const std::string& reason = candidate.finish_reason;
    if (!reason.empty() && record::ending_of(reason) == record::Ending::kUnknown)
      odd.push_back(fmt::format(
          "the finish_reason \"{}\" is not known and counts as the completion's own end (\"length\": a "
          "limit cut it)",
          reason));
  }
  if (example.candidates.size() > 1 && example.meta.is_object() && example.meta.contains(kColumn))
    odd.push_back(
        "the column \"finish_reason\" does not say which completion it is of: give a list, or "
        "finish_reason_chosen and finish_reason_rejected");
  return odd;
}

}  // namespace attune::data
