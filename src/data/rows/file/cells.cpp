// Values that a file keeps as text: the cells of CSV, and lists that an export wrote as JSON text or as
// Python prints them.
#include <set>

#include "core/ascii.h"
#include "core/config/value.h"
#include "data/rows/column/columns.h"
#include "data/rows/column/python_literal.h"
#include "data/rows/file/reader.h"

namespace attune::data {
namespace {

/// Columns that formats read as lists or objects, so that a text in their place is one written as JSON.
bool holds_list(const std::string& name) {
  static const std::set<std::string> lists = {
      "labels",     "completions",    "responses", "scores",          "ranks",
      "messages",   "conversations",  "history",   "candidates",      "tools",
      "prompt_ids", "completion_ids", "input_ids", "completion_mask", "chat_template_kwargs",
      "chosen_ids", "rejected_ids"};
  return lists.contains(name);
}

/// Columns that formats read as something else than text.
bool is_typed(const std::string& name) {
  static const std::set<std::string> typed = {"label",  "score_chosen", "score_rejected",
                                              "margin", "meta",         "kto_tag"};
  return typed.contains(name) || holds_list(name);
}

/// Columns that hold texts, or messages.
bool may_hold_messages(const std::string& name) {
  static const std::set<std::string> columns = {"prompt",   "completion", "chosen",
                                                "rejected", "response_a", "response_b"};
  return columns.contains(name);
}

bool begins_with(const std::string& text, std::string_view characters) {
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  return first != std::string::npos && characters.find(text[first]) != std::string_view::npos;
}

/// What a text spells in JSON or as Python prints it, or null.
core::Json spelt(const std::string& text) {
  core::Json value;
  std::string why;
  if (core::try_parse_json(text, value, why)) return value;
  return read_python_literal(text).value_or(core::Json());
}

/// The list or object that a text spells, or null.
core::Json spelt_list(const std::string& name, const std::string& text) {
  const bool list = holds_list(name);
  if (!list && !may_hold_messages(name)) return {};
  const std::string_view start = core::trimmed(text).substr(0, 6);
  const bool array = start.starts_with('(') || start == "array(";  // tuples, and numpy's
  if (!array && !begins_with(text, list ? "[{" : "[")) return {};
  core::Json value = spelt(text);
  if (array && !value.is_array()) return {};
  return list || is_messages(value) ? value : core::Json();
}

core::Json typed_cell(const std::string& name, const std::string& cell) {
  if (!is_typed(name)) {
    core::Json list = spelt_list(name, cell);
    return list.is_null() ? core::Json(cell) : list;
  }
  if (cell.empty()) return {};
  if (cell == "True" || cell == "TRUE") return true;
  if (cell == "False" || cell == "FALSE") return false;
  core::Json value = spelt(cell);
  return value.is_null() && cell != "null" ? core::Json(cell) : value;
}

}  // namespace

void read_cells(core::Json& row) {
  for (auto& [name, value] : row.items())
    if (value.is_string()) value = typed_cell(name, value.get<std::string>());
}

void read_json_texts(core::Json& row) {
  if (!row.is_object()) return;
  for (auto& [name, value] : row.items()) {
    if (!value.is_string()) continue;
    core::Json list = spelt_list(name, value.get_ref<const std::string&>());
    if (!list.is_null()) value = std::move(list);
  }
}

}  // namespace attune::data
