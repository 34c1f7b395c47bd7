#include "data/nearest_reading.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <vector>

#include "core/ascii.h"
#include "data/format.h"
#include "data/rows/column/columns.h"

namespace attune::data {
namespace {

/// Names that people give to what we call otherwise.
const std::map<std::string, std::vector<std::string>>& other_names() {
  static const std::map<std::string, std::vector<std::string>> names = {
      {"prompt",
       {"question", "query", "instruction", "input", "problem", "user", "opening", "source", "context"}},
      {"completion",
       {"answer", "response", "output", "solution", "target", "assistant", "reply", "continuation", "story"}},
      {"chosen",
       {"good", "better", "preferred", "accepted", "positive", "chosen_response", "response_chosen"}},
      {"rejected", {"bad", "worse", "dispreferred", "negative", "rejected_response", "response_rejected"}},
      {"messages", {"conversation", "dialog", "dialogue", "chat", "turns", "conversations"}},
      {"text", {"content", "document", "body", "passage"}}};
  return names;
}

/// The column of the row that stands for one of ours, "" when none does.
std::string column_for(const core::Json& row, const std::string& ours) {
  if (has_column(row, ours)) return ours;
  const auto& names = other_names().at(ours);
  for (const auto& [name, value] : row.items())
    if (std::ranges::find(names, core::lowercase(name)) != names.end()) return name;
  return "";
}

}  // namespace

std::string wrong_column(const core::Json& row) {
  static const std::vector<std::pair<std::string, bool>> lists = {
      {"messages", true},  {"conversations", true}, {"candidates", true},
      {"responses", true}, {"text", false},         {"instruction", false}};
  for (const auto& [name, list] : lists) {
    if (!has_column(row, name)) continue;
    const core::Json& value = row.at(name);
    if (list && value.is_string()) {
      const auto& text = value.get_ref<const std::string&>();
      const bool python = text.find("{'") != std::string::npos || text.starts_with("['");
      return fmt::format("\"{}\" is a string where a list is needed{}", name,
                         python ? ", a list as Python prints it; write the column with json.dumps" : "");
    }
    if (list && value.is_array() && name == "conversations" && !is_messages(value))
      return "\"conversations\" must be a list of messages {\"from\", \"value\"} or {\"role\", \"content\"}";
    if (!list && value.is_array()) return fmt::format("\"{}\" is a list where a text is needed", name);
  }
  for (const auto& [name, value] : row.items()) {
    if (!value.is_object()) continue;
    for (const auto& entry : format_entries())
      if (entry.second()->recognises(value))
        return fmt::format("the columns lie inside \"{}\": give each row as what stands there", name);
  }
  return "";
}

std::string nearest_format(const core::Json& row) {
  static const std::vector<std::pair<std::string, std::vector<std::string>>> shapes = {
      {"preference", {"prompt", "chosen", "rejected"}},
      {"implicit_preference", {"chosen", "rejected"}},
      {"prompt_completion", {"prompt", "completion"}},
      {"language_modelling", {"messages"}},
      {"language_modelling", {"text"}},
      {"prompt_only", {"prompt"}}};
  if (!row.is_object()) return "";
  for (const auto& [format, columns] : shapes) {
    std::vector<std::string> pairs;
    bool all = true;
    for (const auto& ours : columns) {
      const std::string theirs = column_for(row, ours);
      all = all && !theirs.empty();
      if (theirs != ours) pairs.push_back(ours + ": " + theirs);
    }
    if (all && !pairs.empty())
      return fmt::format("{} with data.columns={{{}}}", format, fmt::join(pairs, ", "));
  }
  return "";
}

}  // namespace attune::data
