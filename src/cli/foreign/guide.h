// What other programs call our settings, read from the pages docs/from-*.md, which the program carries inside
// itself: a name is taken, has no effect or is refused as its row there says.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace attune::cli {

/// A row of a page's tables.
struct GuideRow {
  std::string page;                ///< "docs/from-trl.md"
  std::vector<std::string> names;  ///< theirs; "vllm_*" stands for all that begin so
  std::vector<std::string> ours;   ///< dotted; empty where nothing here corresponds
  std::string note;                ///< plain text
  bool absent = false;             ///< refused; else `ours` empty means that it changes nothing here

  /// The row in one line, as the page has it.
  std::string text() const;
  /// The setting of ours that a name of this row means, "" where there is none.
  std::string ours_of(std::string_view name) const;
};

/// The rows of a page: tables of three columns (theirs, here, note), and under "What is not there" tables of
/// two.
std::vector<GuideRow> guide_rows(std::string_view page, std::string_view content);

/// Whether a name is the known one, or begins as "vllm_*" says.
bool is_named(std::string_view known, std::string_view name);

/// The row of the pages that has the name, or null.
const GuideRow* find_guide_row(std::string_view name);

/// Generated list: path → content of docs/from-*.md.
const std::vector<std::pair<std::string_view, std::string_view>>& embedded_guides();

}  // namespace attune::cli
