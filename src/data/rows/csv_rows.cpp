#include <set>

#include "core/config/value.h"
#include "core/files/text_input.h"
#include "core/system.h"
#include "data/rows/reader.h"

namespace attune::data {
namespace {

constexpr std::size_t kMaxRow = std::size_t{256} << 20;

/// Columns that formats read as something else than text.
bool is_typed(const std::string& name) {
  static const std::set<std::string> typed = {
      "label",           "labels",        "score_chosen",   "score_rejected", "margin",
      "completions",     "responses",     "scores",         "ranks",          "tools",
      "messages",        "conversations", "candidates",     "history",        "meta",
      "kto_tag",         "prompt_ids",    "completion_ids", "input_ids",      "chat_template_kwargs",
      "completion_mask", "chosen_ids",    "rejected_ids"};
  return typed.contains(name);
}

/// Columns that hold texts, or messages written as JSON.
bool may_hold_messages(const std::string& name) {
  return name == "prompt" || name == "completion" || name == "chosen" || name == "rejected";
}

core::Json typed_cell(const std::string& name, const std::string& cell) {
  std::string why;
  core::Json value;
  if (is_typed(name)) {
    if (cell.empty()) return {};
    if (cell == "True" || cell == "TRUE") return true;
    if (cell == "False" || cell == "FALSE") return false;
    if (core::try_parse_json(cell, value, why)) return value;
  } else if (may_hold_messages(name) && cell.rfind("[{", 0) == 0 && core::try_parse_json(cell, value, why)) {
    return value;
  }
  return cell;
}

class CsvRows final : public RowReader {
 public:
  CsvRows(const std::string& path, char separator) : path_(path), separator_(separator), lines_(path) {
    if (!read_cells()) core::fail_request("{}: no header line", path);
    if (problem_) core::fail_request("{}:1: the header line: {}", path, problem_->detail);
    if (cells_.size() > core::kMaxItemKeys)
      core::fail_request("{}:1: the header line: more than {} columns", path, core::kMaxItemKeys);
    std::set<std::string> seen;
    for (const auto& name : cells_)
      if (!seen.insert(name).second) core::fail_request("{}:1: the column \"{}\" is there twice", path, name);
    names_ = cells_;
  }

  bool next(RawRow& out) override {
    if (!read_cells()) return false;
    out.where = fmt::format("{}:{}", path_, first_line_);
    out.problem = problem_;
    out.cells = true;
    out.row = core::Json::object();
    if (out.problem) return true;
    if (cells_.size() != names_.size()) {
      out.problem = core::ItemError{"wrong number of cells",
                                    fmt::format("{} for {}", core::counted(std::ssize(cells_), "cell"),
                                                core::counted(std::ssize(names_), "column"))};
      return true;
    }
    for (std::size_t i = 0; i < names_.size(); ++i) core::append_member(out.row, names_[i], cells_[i]);
    return true;
  }

 private:
  /// Reads one record into cells_, or sets problem_; false at the end.
  bool read_cells() {
    problem_.reset();
    do {
      if (!lines_.next(line_)) return false;
      first_line_ = lines_.line_number();
    } while (line_.empty());
    cells_.assign(1, "");
    bool quoted = false;
    while (!split_line(quoted)) {
      cells_.back() += '\n';
      total_ += line_.size();
      if (!lines_.next(line_) || total_ > kMaxRow) {
        problem_ = core::ItemError{"unclosed quote", "a quoted cell has no end"};
        total_ = 0;
        return true;
      }
    }
    total_ = 0;
    for (const auto& cell : cells_)
      if (core::find_invalid_utf8(cell) != std::string::npos)
        problem_ = core::ItemError{"not valid UTF-8", "a cell holds bytes that are not UTF-8"};
    return true;
  }

  /// Appends the cells of line_; false when it ends inside quotes.
  bool split_line(bool& quoted) {
    bool fresh = !quoted && cells_.size() == 1 && cells_[0].empty();
    for (std::size_t i = 0; i < line_.size(); ++i) {
      const char c = line_[i];
      if (quoted && c == '"') {
        if (i + 1 < line_.size() && line_[i + 1] == '"')
          cells_.back() += line_[++i];
        else
          quoted = false;
      } else if (!quoted && c == separator_) {
        cells_.emplace_back();
        fresh = true;
        continue;
      } else if (!quoted && c == '"' && fresh) {
        quoted = true;
      } else {
        cells_.back() += c;
      }
      fresh = false;
    }
    return !quoted;
  }

  std::string path_, line_;
  char separator_;
  core::LineReader lines_;
  std::vector<std::string> names_, cells_;
  std::optional<core::ItemError> problem_;
  std::int64_t first_line_ = 0;
  std::size_t total_ = 0;
};

}  // namespace

void read_cells(core::Json& row) {
  for (auto& [name, value] : row.items())
    if (value.is_string()) value = typed_cell(name, value.get<std::string>());
}

std::unique_ptr<RowReader> open_csv_rows(const std::string& path, char separator) {
  return std::make_unique<CsvRows>(path, separator);
}

}  // namespace attune::data
