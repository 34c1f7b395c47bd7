// Columns of data sets, as entries of lists name them.
#include <fmt/format.h>

#include <array>

#include "cli/foreign/reader.h"
#include "core/error.h"
#include "data/format.h"
#include "data/rows/file/reader.h"
#include "training/run/recipe/terms.h"

namespace attune::cli {
namespace {

using core::Value;

/// Where the messages and the answers of an entry stand, unless it is where they always do.
void read_names(ForeignReader& reader, const std::string& name, const Value& item, bool alone) {
  constexpr std::array<std::array<std::string_view, 3>, 4> kNames = {
      {{"field", "text", ""},
       {"field_messages", "messages", "conversations"},
       {"field_chosen", "chosen", ""},
       {"field_rejected", "rejected", ""}}};
  for (const auto& [key, ours, other] : kNames) {
    const Value* column = item.find(key);
    if (column == nullptr || is_off(*column) || text_of(*column) == ours || text_of(*column) == other)
      continue;
    if (alone)
      reader.set(fmt::format("data.columns.{}", ours), *column);
    else
      reader.refuse(
          name, *column,
          fmt::format(
              "{} '{}': columns are named for all of the data: call it {} in the file, or give the data "
              "sets to methods of their own",
              key, text_of(*column), ours));
  }
}

/// The format that rows of these columns alone have, where it is not the one that they have with all; "" else.
std::string format_of_columns(const Value& entry, const Value& columns) {
  data::DataOptions options = training::data_options(entry, "data");
  options.columns = nullptr;
  for (const auto& source : data::source_entries(options))
    for (const auto& file : data::source_files(source, options)) {
      const auto rows = data::open_rows(file);
      data::RawRow raw;
      while (rows->next(raw) && raw.problem) {
      }
      if (!raw.row.is_object()) continue;
      core::Json kept = core::Json::object();
      for (const Value& column : items_of(columns))
        if (raw.row.contains(text_of(column))) kept[text_of(column)] = raw.row[text_of(column)];
      const std::string all = data::recognise(raw.row, raw.where).info().name,
                        some = data::recognise(kept, raw.where).info().name;
      return all == some ? "" : some;
    }
  return "";
}

/// TRL's list of the columns that are kept, of which a format reads its own.
void keep_columns(ForeignReader& reader, const std::string& name, const Value& entry, const Value* columns,
                  bool alone) {
  if (columns == nullptr || is_off(*columns)) return;
  std::string format;
  try {
    format = format_of_columns(entry, *columns);
  } catch (const core::Error&) {
    return;  // what cannot be read, or is of no format, is said where it is read
  }
  if (format.empty())
    return reader.note("columns",
                       "rows are read by the columns of their format, and the others change nothing");
  if (!alone)
    return reader.refuse(
        name, *columns,
        fmt::format("columns: these alone are rows of {}: give data.format={}, or files of these columns",
                    format, format));
  reader.set("data.format", format, *columns);
}

}  // namespace

void read_columns_of_entry(ForeignReader& reader, const std::string& name, const Value& item,
                           const Value& entry, bool alone) {
  read_names(reader, name, item, alone);
  keep_columns(reader, name, entry, item.find("columns"), alone);
}

}  // namespace attune::cli
