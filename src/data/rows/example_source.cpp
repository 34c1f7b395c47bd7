#include "data/rows/example_source.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "core/system.h"
#include "data/rows/column/columns.h"
#include "data/rows/column/endings.h"
#include "data/rows/repeated_prompt.h"

namespace attune::data {
namespace {

constexpr std::size_t kLookAhead = 64;

/// The format of a row by itself, null when it is of none.
const Format* most_specific(const core::Json& row) {
  const Format* best = nullptr;
  for (const auto& entry : format_entries()) {
    const Format* format = entry.second();
    if ((best == nullptr || format->info().priority > best->info().priority) && format->recognises(row))
      best = format;
  }
  return best;
}

/// The format that most of the first rows have; among equals the more specific one. So one bad row at the top
/// does not decide for the file. Null when no row is of any.
const Format* majority_format(const std::deque<RawRow>& rows) {
  std::map<const Format*, int> votes;
  for (const RawRow& raw : rows)
    if (const Format* own = raw.problem ? nullptr : most_specific(raw.row)) ++votes[own];
  if (votes.empty()) return nullptr;
  return std::max_element(votes.begin(), votes.end(),
                          [](const auto& a, const auto& b) {
                            return std::pair(a.second, a.first->info().priority) <
                                   std::pair(b.second, b.first->info().priority);
                          })
      ->first;
}

/// Values that their file keeps as text. Done under our names of the columns.
void read_texts(RawRow& raw) {
  if (raw.problem) return;
  if (raw.cells)
    read_cells(raw.row);
  else
    read_json_texts(raw.row);
}

void rename(RawRow& raw, const ColumnRenames& renames) {
  if (raw.problem || renames.empty()) return;
  rename_columns(raw.row, renames);
  read_texts(raw);
}

/// Of these renames, those that the format makes use of: the others stay what they are, columns of the user.
ColumnRenames used_of(const ColumnRenames& renames, const std::deque<RawRow>& rows, const Format& format) {
  ColumnRenames used;
  for (const RawRow& raw : rows) {
    if (raw.problem || !format.recognises(raw.row)) continue;
    const auto example = format.read(raw.row);
    if (!example.ok()) continue;
    for (const auto& [theirs, ours] : renames)
      if (raw.row.contains(ours) && !example.value().meta.contains(ours)) used.emplace(theirs, ours);
  }
  return used;
}

/// What a read row gives cause to say; what has one reading is settled.
std::vector<std::string> said_of(record::Example& example) {
  std::vector<std::string> said = odd_endings(example);
  if (std::string repeated = settle_repeated_prompt(example); !repeated.empty())
    said.push_back(std::move(repeated));
  return said;
}

}  // namespace

ExampleSource::ExampleSource(const DataOptions& options) : options_(options), columns_(options.columns) {
  for (const auto& entry : source_entries(options_))
    entries_.push_back({source_files(entry, options_), entry.weight, entry.slice});
  if (entries_.empty()) core::fail_request("no data is given: data=prefs.jsonl names a file or folder");
  if (options_.format != "auto") asked_ = &format_named(options_.format);
}

/// Whether an object can be read as a row, under our names.
bool ExampleSource::readable(const core::Json& row) const {
  if (!row.is_object()) return false;
  core::Json mapped = columns_.mapped(row);
  read_json_texts(mapped);
  if (asked_ != nullptr) return asked_->read(mapped).ok();
  return std::ranges::any_of(format_entries(), [&](const auto& entry) {
    return entry.second()->recognises(mapped) && entry.second()->read(mapped).ok();
  });
}

bool ExampleSource::next_raw(RawRow& out) {
  while (entry_ < entries_.size()) {
    if (!reader_) {
      if (file_ == entries_[entry_].files.size()) return false;
      reader_ = open_rows(entries_[entry_].files[file_++],
                          {options_.field, [this](const core::Json& row) { return readable(row); }});
    }
    out.cells = false;
    if (reader_->next(out)) {
      if (!out.problem) columns_.map(out.row);
      read_texts(out);
      rename(out, renames_);
      return true;
    }
    reader_.reset();
  }
  return false;
}

void ExampleSource::look_ahead() {
  std::size_t readable = 0;
  for (RawRow raw; readable < kLookAhead && ahead_.size() < 16 * kLookAhead && next_raw(raw);) {
    readable += raw.problem ? 0 : 1;
    ahead_.push_back(std::move(raw));
  }
}

/// A mapped column may begin to be filled anywhere: before it is called missing, all of the entry is looked
/// at.
void ExampleSource::look_for_mapped_columns() {
  for (const SourceFile& file : entries_[entry_].files) {
    if (columns_.all_met()) return;
    const auto reader =
        open_rows(file, {options_.field, [this](const core::Json& row) { return readable(row); }});
    for (RawRow raw; !columns_.all_met() && reader->next(raw);)
      if (!raw.problem) columns_.map(raw.row);
  }
}

/// Columns whose names are nearly ours, where a format then reads them.
void ExampleSource::understand_names() {
  const ColumnRenames near = nearly_named(ahead_);
  if (near.empty()) return;
  std::deque<RawRow> renamed = ahead_;
  for (RawRow& raw : renamed) rename(raw, near);
  const Format* format = asked_ != nullptr ? asked_ : majority_format(renamed);
  if (format == nullptr) return;
  renames_ = used_of(near, renamed, *format);
  for (RawRow& raw : ahead_) rename(raw, renames_);
}

/// The format of the rows that were looked at; @throws Error{kRequest} when they have none
const Format& ExampleSource::first_format() const {
  if (const Format* format = majority_format(ahead_)) return *format;
  const auto first = std::ranges::find_if(ahead_, [](const RawRow& raw) { return !raw.problem; });
  return recognise(first->row, first->where);
}

/// Recognises the format of an entry; each entry of a mixture may have its own.
void ExampleSource::open_entry() {
  entry_opened_ = true;
  row_of_entry_ = position_ = 0;
  if (entries_[entry_].slice.needs_total()) entries_[entry_].slice.settle(rows_of_entry());
  file_ = 0;
  renames_.clear();
  look_ahead();
  format_ = asked_;
  const auto first = std::ranges::find_if(ahead_, [](const RawRow& raw) { return !raw.problem; });
  if (first != ahead_.end()) {
    look_for_mapped_columns();
    columns_.require_met(first->where);
    understand_names();
    if (format_ == nullptr) format_ = &first_format();
  }
  if (format_ == nullptr) return;
  const std::string name = format_->info().name;
  if (std::ranges::find(formats_, name) == formats_.end()) formats_.push_back(name);
}

std::string ExampleSource::format_names() const { return fmt::format("{}", fmt::join(formats_, ", ")); }

/// A row that looks like one of another format is read as the file's where that goes, which is said, and else named.
void ExampleSource::read_as_format(const RawRow& raw, SourceRow& out) {
  out.example = format_->read(raw.row);
  const Format* own = asked_ == nullptr ? most_specific(raw.row) : nullptr;
  if (own == nullptr || own == format_) return;
  const std::string shape = own->info().name, shape_of_file = format_->info().name;
  if (out.example.ok())
    noticed_.add(
        fmt::format("a row with the columns of {} is read as {}, which most rows are", shape, shape_of_file),
        raw.where);
  else if (own->read(raw.row).ok())
    out.example = core::ItemError{
        out.example.error().reason,
        fmt::format("{} (a row of {}, and most rows are of {}; give each shape a file: data=[FILE, FILE])",
                    out.example.error().detail, shape, shape_of_file)};
}

/// All of its files are read for this: a share of the rows is asked for.
std::int64_t ExampleSource::rows_of_entry() const {
  std::int64_t rows = 0;
  for (const SourceFile& file : entries_[entry_].files) {
    const auto reader =
        open_rows(file, {options_.field, [this](const core::Json& row) { return readable(row); }});
    for (RawRow raw; reader->next(raw);) ++rows;
  }
  return rows;
}

/// The next row, of this entry or of the next.
bool ExampleSource::next_of_slice(RawRow& out) {
  while (entry_ < entries_.size()) {
    if (!entry_opened_) open_entry();
    bool found = !ahead_.empty();
    if (found) {
      out = std::move(ahead_.front());
      ahead_.pop_front();
    } else {
      found = next_raw(out);
    }
    if (found && entries_[entry_].slice.has(position_++)) return true;
    if (found) continue;
    ++entry_;
    entry_opened_ = false;
  }
  return false;
}

bool ExampleSource::next(SourceRow& out) {
  if (options_.limit > 0 && index_ >= options_.limit) return false;
  RawRow raw;
  if (!next_of_slice(raw)) return false;
  const double weight = entries_[entry_].weight, row = static_cast<double>(row_of_entry_++);
  out.copies = static_cast<std::int64_t>(std::floor((row + 1) * weight) - std::floor(row * weight));
  out.index = index_++;
  out.where = raw.where;
  if (raw.problem || format_ == nullptr)
    out.example = raw.problem.value_or(core::ItemError{"not readable", "no row of the file could be read"});
  else
    read_as_format(raw, out);
  for (const auto& [theirs, ours] : renames_)
    noticed_.add(fmt::format("the column \"{}\" is read as \"{}\"", theirs, ours), raw.where);
  if (out.example.ok()) {
    for (const std::string& said : said_of(out.example.value())) noticed_.add(said, raw.where);
    if (out.example.value().id.empty()) out.example.value().id = std::to_string(out.index);
  }
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
