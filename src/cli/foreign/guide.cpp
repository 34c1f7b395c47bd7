#include "cli/foreign/guide.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace attune::cli {
namespace {

std::string_view trimmed(std::string_view text) {
  const auto begin = std::min(text.find_first_not_of(' '), text.size());
  return text.substr(begin, text.find_last_not_of(' ') + 1 - begin);
}

std::vector<std::string_view> cells_of(std::string_view line) {
  std::vector<std::string_view> cells;
  line.remove_prefix(1);
  for (std::size_t end; (end = line.find('|')) != std::string_view::npos; line.remove_prefix(end + 1))
    cells.push_back(trimmed(line.substr(0, end)));
  return cells;
}

/// What stands in backticks, in order.
std::vector<std::string> code_of(std::string_view cell) {
  std::vector<std::string> words;
  for (std::size_t at = 0; (at = cell.find('`', at)) != std::string_view::npos;) {
    const std::size_t end = std::min(cell.find('`', at + 1), cell.size());
    words.emplace_back(cell.substr(at + 1, end - at - 1));
    at = end + 1;
  }
  return words;
}

/// Without backticks, and links as their text.
std::string plain(std::string_view cell) {
  std::string out;
  for (std::size_t i = 0; i < cell.size(); ++i) {
    if (cell[i] == ']' && i + 1 < cell.size() && cell[i + 1] == '(') {
      i = std::min(cell.find(')', i), cell.size());
    } else if (cell[i] != '`' && !(cell[i] == '[' && cell.find("](", i) != std::string_view::npos)) {
      out += cell[i];
    }
  }
  return out;
}

bool has_name(const GuideRow& row, std::string_view name) {
  return std::any_of(row.names.begin(), row.names.end(),
                     [&](const std::string& known) { return is_named(known, name); });
}

std::vector<GuideRow> rows_of_all_pages() {
  std::vector<GuideRow> all;
  for (const auto& [path, content] : embedded_guides())
    for (GuideRow& row : guide_rows(path, content)) all.push_back(std::move(row));
  // Names that several programs have are TRL's first: its page explains the most.
  std::stable_sort(all.begin(), all.end(), [](const GuideRow& a, const GuideRow& b) {
    return a.page.ends_with("trl.md") && !b.page.ends_with("trl.md");
  });
  return all;
}

}  // namespace

bool is_named(std::string_view known, std::string_view name) {
  return known.ends_with('*') ? name.starts_with(known.substr(0, known.size() - 1)) : name == known;
}

std::string GuideRow::text() const {
  std::string out = fmt::format("{}", fmt::join(names, ", "));
  if (!ours.empty()) out += fmt::format(" → {}", fmt::join(ours, ", "));
  return note.empty() ? out : out + ": " + note;
}

std::string GuideRow::ours_of(std::string_view name) const {
  if (ours.empty()) return "";
  const auto at = std::find(names.begin(), names.end(), name) - names.begin();
  return ours.size() == names.size() ? ours[static_cast<std::size_t>(at)] : ours.front();
}

std::vector<GuideRow> guide_rows(std::string_view page, std::string_view content) {
  std::vector<GuideRow> rows;
  bool absent = false, in_table = false;
  while (!content.empty()) {
    const std::string_view line = content.substr(0, content.find('\n'));
    content.remove_prefix(std::min(content.size(), line.size() + 1));
    if (line.starts_with("## ")) absent = line == "## What is not there";
    if (line.starts_with("|---")) {
      in_table = true;
    } else if (!line.starts_with('|')) {
      in_table = false;
    } else if (in_table) {
      const auto cells = cells_of(line);
      if (cells.size() != (absent ? 2 : 3)) continue;
      rows.push_back({std::string(page), code_of(cells[0]),
                      absent ? std::vector<std::string>() : code_of(cells[1]), plain(cells.back()), absent});
    }
  }
  return rows;
}

const GuideRow* find_guide_row(std::string_view name) {
  static const std::vector<GuideRow> rows = rows_of_all_pages();
  const auto at =
      std::find_if(rows.begin(), rows.end(), [&](const GuideRow& row) { return has_name(row, name); });
  return at == rows.end() ? nullptr : &*at;
}

}  // namespace attune::cli
