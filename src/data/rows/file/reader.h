// Rows of data files, one at a time, whatever the file type. A row that cannot be read is reported and does
// not stop the reading.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "core/error.h"
#include "core/json.h"
#include "data/rows/file/single_object.h"
#include "data/rows/file/source_files.h"

namespace attune::data {

struct RawRow {
  core::Json row;                          ///< an object; a bare text becomes {"text": …}
  std::optional<core::ItemError> problem;  ///< why there is no row
  std::string where;                       ///< "prefs.jsonl:17"
  bool cells = false;                      ///< all values are texts, as CSV has them
};

class RowReader {
 public:
  virtual ~RowReader() = default;
  /// False at the end. @throws Error{kRequest}: the file as a whole is damaged (truncated gzip, an array cut
  /// short).
  virtual bool next(RawRow& out) = 0;
};

/// Opens a file by its kind; JSON files are told apart by their content (JSON Lines, one array, one object).
/// @throws Error{kRequest}: missing, empty, damaged.
std::unique_ptr<RowReader> open_rows(const SourceFile& file, const ObjectReading& how = {});

/// Comma- or tab-separated values with a header line: quotes, doubled quotes and line ends inside them as RFC
/// 4180. A header line without that separator shows which other one the file has.
std::unique_ptr<RowReader> open_csv_rows(const std::string& path, char separator);
/// Turns the cells of columns that formats read as numbers, booleans, lists or messages into these ("label",
/// "messages" …). Done after columns are renamed.
void read_cells(core::Json& row);
/// Lists that were written as JSON text become lists again: in columns that formats read as lists, and texts
/// that are lists of messages where a column may hold those.
void read_json_texts(core::Json& row);

/// The row that a text of JSON holds.
void parse_row(std::string_view text, RawRow& out);

}  // namespace attune::data
