#include "data/rows/single_object.h"

#include <algorithm>
#include <vector>

#include "core/error.h"
#include "data/rows/columns.h"

namespace attune::data {
namespace {

/// Members that are lists of rows. Texts count as rows where there is nothing else in the object.
std::vector<std::string> lists_of_rows(const core::Json& object) {
  std::vector<std::string> names;
  for (const auto& [name, value] : object.items()) {
    if (!value.is_array() || value.empty() || is_messages(value)) continue;
    if (value[0].is_object() || (value[0].is_string() && object.size() == 1)) names.push_back(name);
  }
  return names;
}

/// Rows of {"prompt": ["a", "b"], "completion": ["x", "y"]} and of {"prompt": {"0": "a", "1": "b"}, …}; null
/// when the object is neither.
core::Json rows_of_columns(const core::Json& object) {
  if (object.empty()) return {};
  const auto kind = object.front().type();
  const std::size_t count = object.front().size();
  if (count == 0 || !object.front().is_structured()) return {};
  core::Json rows = core::Json::array();
  for (std::size_t i = 0; i < count; ++i) rows.push_back(core::Json::object());
  for (const auto& [name, column] : object.items()) {
    if (column.type() != kind || column.size() != count) return {};
    std::size_t i = 0;
    for (const auto& [place, value] : column.items()) {
      if (column.is_object() && !object.front().contains(place)) return {};
      core::append_member(rows[i++], name, value);
    }
  }
  return rows;
}

}  // namespace

core::Json rows_of_object(const std::string& path, const core::Json& object, const ObjectReading& how) {
  const auto readable = [&](const core::Json& row) { return how.readable && how.readable(row); };
  const auto lists = lists_of_rows(object);
  if (!how.field.empty()) {
    const auto found = object.find(how.field);
    if (found != object.end() && found->is_array()) return core::Json(*found);
    core::fail_request("{}: data.field={}: the file's object has no list of that name{}", path, how.field,
                       lists.empty() ? "" : fmt::format("; it has: {}", fmt::join(lists, ", ")));
  }
  if (readable(object)) return {};
  if (core::Json rows = rows_of_columns(object); !rows.is_null() && readable(rows[0])) return rows;
  if (lists.size() > 1)
    core::fail_request("{}: one object with several lists of rows: {}. Say which to read with data.field={}",
                       path, fmt::join(lists, ", "), lists.front());
  return lists.empty() ? core::Json() : core::Json(object.at(lists.front()));
}

}  // namespace attune::data
