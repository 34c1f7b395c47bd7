#include "data/rows/file/single_object.h"

#include <algorithm>
#include <vector>

#include "core/error.h"
#include "data/rows/column/columns.h"

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

/// The same one level further down, where a format reads what lies there: {"data": {"train": […]}} has
/// "data.train".
std::vector<std::string> lists_further_down(const core::Json& object, const ObjectReading& how) {
  std::vector<std::string> names;
  for (const auto& [outer, member] : object.items()) {
    if (!member.is_object()) continue;
    for (const std::string& name : lists_of_rows(member))
      if (how.readable && how.readable(member.at(name)[0])) names.push_back(outer + "." + name);
  }
  return names;
}

/// The member of this name, or of "outer.inner"; null when there is none.
core::Json member_of(const core::Json& object, const std::string& name) {
  if (object.contains(name)) return object.at(name);
  for (std::size_t dot = name.find('.'); dot != std::string::npos; dot = name.find('.', dot + 1)) {
    const auto outer = object.find(name.substr(0, dot));
    if (outer != object.end() && outer->is_object()) return member_of(*outer, name.substr(dot + 1));
  }
  return {};
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
  auto lists = lists_of_rows(object);
  if (lists.empty()) lists = lists_further_down(object, how);
  if (!how.field.empty()) {
    if (core::Json found = member_of(object, how.field); found.is_array()) return found;
    core::fail_request("{}: data.field={}: the file's object has no list of that name{}", path, how.field,
                       lists.empty() ? "" : fmt::format("; it has: {}", fmt::join(lists, ", ")));
  }
  if (readable(object)) return {};
  if (core::Json rows = rows_of_columns(object); !rows.is_null() && readable(rows[0])) return rows;
  if (lists.size() > 1)
    core::fail_request("{}: one object with several lists of rows: {}. Say which to read with data.field={}",
                       path, fmt::join(lists, ", "), lists.front());
  return lists.empty() ? core::Json() : member_of(object, lists.front());
}

}  // namespace attune::data
