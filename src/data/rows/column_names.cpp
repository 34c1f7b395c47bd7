#include "data/rows/column_names.h"

#include <algorithm>

#include "core/ascii.h"
#include "core/config/fields.h"
#include "core/config/nearest.h"
#include "core/error.h"
#include "data/format.h"

namespace attune::data {
namespace {

std::string trimmed(const std::string& text) { return std::string(core::trimmed(text, " \t")); }

/// "Score Chosen " → "score_chosen".
std::string usual_name(const std::string& name) { return core::snake_case(trimmed(name)); }

/// Every name in the formats' own words about their columns, and what any row may have.
const std::set<std::string>& known_columns() {
  static const std::set<std::string> known = [] {
    std::set<std::string> names = {"id", "tools", "chat_template_kwargs", "reference_answer", "meta"};
    for (const auto& entry : format_entries()) {
      std::string word;
      for (const char c : entry.second()->info().columns + " ") {
        if ((c >= 'a' && c <= 'z') || c == '_') {
          word += c;
          continue;
        }
        if (!word.empty()) names.insert(word);
        word.clear();
      }
    }
    return names;
  }();
  return known;
}

}  // namespace

ColumnRenames nearly_named(const std::deque<RawRow>& rows) {
  std::map<std::string, std::set<std::string>> near;
  std::set<std::string> there;
  for (const RawRow& raw : rows) {
    if (raw.problem) continue;
    for (const auto& [name, value] : raw.row.items()) {
      if (!there.insert(name).second) continue;
      const std::string ours = usual_name(name);
      if (ours != name && known_columns().contains(ours)) near[ours].insert(name);
    }
  }
  ColumnRenames renames;
  for (const auto& [ours, theirs] : near)
    if (theirs.size() == 1 && !there.contains(ours)) renames[*theirs.begin()] = ours;
  return renames;
}

void rename_columns(core::Json& row, const ColumnRenames& renames) {
  for (const auto& [theirs, ours] : renames) {
    const auto found = row.find(theirs);
    if (found == row.end() || row.contains(ours)) continue;
    core::Json value = std::move(*found);
    row.erase(found);
    row[ours] = std::move(value);
  }
}

MappedColumns::MappedColumns(const core::Json& columns) {
  if (columns.is_null()) return;
  if (!columns.is_object()) core::fail_request("data.columns must be a map such as {{prompt: question}}");
  for (const auto& [ours, theirs] : columns.items()) {
    if (!theirs.is_string()) core::fail_request("data.columns.{} must be the name of a column", ours);
    theirs_of_[ours] = theirs.get<std::string>();
    ours_of_[theirs_of_[ours]] = ours;
  }
  for (const auto& [ours, theirs] : theirs_of_) ours_of_.try_emplace(trimmed(theirs), ours);
}

core::Json MappedColumns::mapped(const core::Json& row) const {
  if (ours_of_.empty() || !row.is_object()) return row;
  core::Json out = core::Json::object();
  for (const auto& [name, value] : row.items()) {
    const auto found = ours_of_.find(name);
    if (found != ours_of_.end())
      out[found->second] = value;
    else if (!theirs_of_.contains(name) || !row.contains(theirs_of_.at(name)))
      out[name] = value;
  }
  return out;
}

void MappedColumns::map(core::Json& row) {
  if (ours_of_.empty() || !row.is_object()) return;
  constexpr std::size_t kShown = 20;
  for (const auto& [name, value] : row.items()) {
    const auto found = ours_of_.find(name);
    met_.insert(found != ours_of_.end() ? found->second : name);
    if (columns_.size() < kShown) columns_.insert(name);
  }
  row = mapped(row);
}

bool MappedColumns::all_met() const {
  return std::ranges::all_of(theirs_of_, [&](const auto& mapped) { return met_.contains(mapped.first); });
}

void MappedColumns::require_met(const std::string& where) {
  for (const auto& [ours, theirs] : theirs_of_) {
    if (met_.contains(ours)) continue;
    core::fail_request("{}: data.columns.{}: there is no column '{}'{}", where, ours, theirs,
                       core::did_you_mean(theirs, {columns_.begin(), columns_.end()}));
  }
  met_.clear();
  columns_.clear();
}

}  // namespace attune::data
