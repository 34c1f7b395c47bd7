// Rows as Examples: column names mapped, the format recognised, malformed rows reported. What ExampleReader
// and read_rows share.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "data/format.h"
#include "data/noticed.h"
#include "data/options.h"
#include "data/rows/column_names.h"
#include "data/rows/file/reader.h"

namespace attune::data {

struct SourceRow {
  std::int64_t index = 0;   ///< row number over all files, from 0
  std::int64_t copies = 1;  ///< how often the row is seen in an epoch (weights of a mixture); may be 0
  std::string where;
  core::Result<record::Example> example = core::ItemError{};
};

class ExampleSource {
 public:
  explicit ExampleSource(const DataOptions& options);
  bool next(SourceRow& out);  ///< false at the end, or when data.limit rows were given
  /// The formats of the entries met so far, each once: "preference, prompt_completion".
  std::string format_names() const;
  /// What was understood although it was not said so, of the rows that were read.
  const Noticed& noticed() const { return noticed_; }

 private:
  struct Entry {
    std::vector<SourceFile> files;
    double weight = 1;
    SplitSlice slice;
  };
  bool next_raw(RawRow& out);
  void look_ahead();
  void understand_names();
  void look_for_mapped_columns();
  const Format& first_format() const;
  void open_entry();
  std::int64_t rows_of_entry() const;
  bool next_of_slice(RawRow& out);
  bool readable(const core::Json& row) const;
  void read_as_format(const RawRow& raw, SourceRow& out);

  DataOptions options_;
  MappedColumns columns_;
  ColumnRenames renames_;  ///< of this entry, beyond data.columns
  std::vector<Entry> entries_;
  std::size_t entry_ = 0, file_ = 0;
  std::unique_ptr<RowReader> reader_;
  std::deque<RawRow> ahead_;  ///< rows looked at to recognise the format
  const Format *asked_ = nullptr, *format_ = nullptr;
  std::vector<std::string> formats_;       ///< names, in the order in which they were met
  std::int64_t index_ = 0, position_ = 0;  ///< rows given, over all; rows met of this entry
  std::int64_t row_of_entry_ = 0;          ///< rows given of this entry
  bool entry_opened_ = false;
  Noticed noticed_;
};

/// Malformed rows under data.on_error=fail: counted to the end, the first five kept.
class MalformedRows {
 public:
  void add(const SourceRow& row);
  std::int64_t count() const { return count_; }
  /// @throws Error{kRequest} naming number, first five, remedy; does nothing when there are none.
  void fail_if_any(const std::string& name, std::int64_t rows_read) const;

 private:
  std::int64_t count_ = 0;
  std::vector<std::string> first_;
};

/// "wrong type: "label" must be …" → the countable part goes to a summary, both to a person.
std::string problem_text(const core::ItemError& error);

}  // namespace attune::data
