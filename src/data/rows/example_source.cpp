#include "data/rows/example_source.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "core/system.h"
#include "data/rows/columns.h"

namespace attune::data {
namespace {

constexpr std::size_t kLookAhead = 64;

/// The format that most of the first rows have; among equals the more specific one. So one bad row at the top
/// does not decide for the file.
const Format& majority_format(const std::deque<RawRow>& rows) {
  std::map<const Format*, int> votes;
  const RawRow* readable = nullptr;
  for (const RawRow& raw : rows) {
    if (raw.problem) continue;
    if (readable == nullptr) readable = &raw;
    for (const auto& [name, make] : format_entries()) {
      const Format* format = make();
      (void)name;
      if (format->recognises(raw.row)) votes.try_emplace(format, 0);
    }
  }
  ATTUNE_ASSERT(readable != nullptr);
  if (votes.empty()) return recognise(readable->row, readable->where);
  for (const RawRow& raw : rows) {
    if (raw.problem) continue;
    const Format* best = nullptr;
    for (const auto& [format, count] : votes)
      if (format->recognises(raw.row) && (best == nullptr || format->info().priority > best->info().priority))
        best = format;
    if (best != nullptr) ++votes[best];
  }
  return *std::max_element(votes.begin(), votes.end(), [](const auto& a, const auto& b) {
            return std::pair(a.second, a.first->info().priority) <
                   std::pair(b.second, b.first->info().priority);
          })->first;
}

void check_columns(const core::Json& columns) {
  if (columns.is_null()) return;
  if (!columns.is_object()) core::fail_request("data.columns must be a map such as {{prompt: question}}");
  for (const auto& [ours, theirs] : columns.items())
    if (!theirs.is_string()) core::fail_request("data.columns.{} must be the name of a column", ours);
}

}  // namespace

ExampleSource::ExampleSource(const DataOptions& options) : options_(options) {
  check_columns(options_.columns);
  for (const auto& entry : source_entries(options_))
    entries_.push_back({source_files(entry.path, options_), entry.weight});
  if (entries_.empty()) core::fail_request("no data is given: data=prefs.jsonl names a file or folder");
  if (options_.format != "auto") format_ = &format_named(options_.format);
}

void ExampleSource::map_columns(core::Json& row) const {
  if (options_.columns.is_null() || !row.is_object()) return;
  core::Json mapped = core::Json::object();
  std::map<std::string, std::string> ours_of;
  for (const auto& [ours, theirs] : options_.columns.items()) ours_of[theirs.get<std::string>()] = ours;
  for (const auto& [name, value] : row.items()) {
    const auto found = ours_of.find(name);
    if (found != ours_of.end())
      mapped[found->second] = value;
    else if (!options_.columns.contains(name))
      mapped[name] = value;
  }
  row = std::move(mapped);
}

bool ExampleSource::next_raw(RawRow& out) {
  while (entry_ < entries_.size()) {
    if (!reader_) {
      if (file_ == entries_[entry_].files.size()) return false;
      reader_ = open_rows(entries_[entry_].files[file_++]);
    }
    out.cells = false;
    if (reader_->next(out)) {
      if (!out.problem) map_columns(out.row);
      if (!out.problem && out.cells) read_cells(out.row);
      return true;
    }
    reader_.reset();
  }
  return false;
}

/// Recognises the format of an entry; each entry of a mixture may have its own.
void ExampleSource::open_entry() {
  entry_opened_ = true;
  row_of_entry_ = 0;
  file_ = 0;
  if (options_.format == "auto") {
    format_ = nullptr;
    std::size_t readable = 0;
    for (RawRow raw; readable < kLookAhead && ahead_.size() < 16 * kLookAhead && next_raw(raw);) {
      readable += raw.problem ? 0 : 1;
      ahead_.push_back(std::move(raw));
    }
    if (readable > 0) format_ = &majority_format(ahead_);
  }
  if (format_ == nullptr) return;
  const std::string name = format_->info().name;
  if (format_name_.find(name) == std::string::npos) format_name_ += (format_name_.empty() ? "" : ", ") + name;
}

bool ExampleSource::next(SourceRow& out) {
  if (options_.limit > 0 && index_ >= options_.limit) return false;
  RawRow raw;
  for (;;) {
    if (entry_ >= entries_.size()) return false;
    if (!entry_opened_) open_entry();
    if (!ahead_.empty()) {
      raw = std::move(ahead_.front());
      ahead_.pop_front();
      break;
    }
    if (next_raw(raw)) break;
    ++entry_;
    entry_opened_ = false;
  }
  const double weight = entries_[entry_].weight, row = static_cast<double>(row_of_entry_++);
  out.copies = static_cast<std::int64_t>(std::floor((row + 1) * weight) - std::floor(row * weight));
  out.index = index_++;
  out.where = raw.where;
  if (raw.problem || format_ == nullptr)
    out.example = raw.problem.value_or(core::ItemError{"not readable", "no row of the file could be read"});
  else
    out.example = format_->read(raw.row);
  if (out.example.ok() && out.example.value().id.empty()) out.example.value().id = std::to_string(out.index);
  return true;
}

std::string problem_text(const core::ItemError& error) {
  return error.detail.empty() ? error.reason : error.reason + ": " + error.detail;
}

void MalformedRows::add(const SourceRow& row) {
  if (++count_ <= 5) first_.push_back(row.where + ": " + problem_text(row.example.error()));
}

void MalformedRows::fail_if_any(const std::string& name, std::int64_t rows_read) const {
  if (count_ == 0) return;
  std::string text =
      fmt::format("{}: {} of {} {} malformed{}:", name, count_, core::counted(rows_read, "row"),
                  count_ == 1 ? "is" : "are", count_ > 5 ? "; the first five" : "");
  for (const auto& line : first_) text += "\n  " + line;
  core::fail_request("{}\nMend them, or leave them out with data.on_error=skip", text);
}

}  // namespace attune::data
