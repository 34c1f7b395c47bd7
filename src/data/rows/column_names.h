// Names of columns: those that data.columns maps, and those that are nearly ours ("Prompt", " completion").
#pragma once

#include <deque>
#include <map>
#include <set>
#include <string>

#include "core/json.h"
#include "data/rows/file/reader.h"

namespace attune::data {

/// Theirs → ours.
using ColumnRenames = std::map<std::string, std::string>;

/// Columns whose name is one that a format reads but for case, spaces around it, and " " or "-" for "_",
/// where no row has the very name and no other column comes near it.
ColumnRenames nearly_named(const std::deque<RawRow>& rows);
void rename_columns(core::Json& row, const ColumnRenames& renames);

/// data.columns, ours first. Keeps in mind which of the columns it met.
class MappedColumns {
 public:
  /// @throws Error{kRequest}: not a map of names
  explicit MappedColumns(const core::Json& columns);
  core::Json mapped(const core::Json& row) const;
  /// The row with the columns under our names.
  void map(core::Json& row);
  /// Whether the rows since the last require_met() had every mapped column, one or another.
  bool all_met() const;
  /// @throws Error{kRequest} naming a mapped column that no row had since the last call, and those that they
  /// had
  void require_met(const std::string& where);

 private:
  std::map<std::string, std::string> theirs_of_, ours_of_;
  std::set<std::string> met_, columns_;
};

}  // namespace attune::data
