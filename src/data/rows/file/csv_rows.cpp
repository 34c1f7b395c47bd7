#include <set>

#include "core/ascii.h"
#include "core/files/text_input.h"
#include "core/system.h"
#include "data/rows/file/reader.h"

namespace attune::data {
namespace {

constexpr std::size_t kMaxRow = std::size_t{256} << 20;

/// The cells of a line that is a record by itself, quotes left in place.
std::size_t count_cells(const std::string& line, char separator) {
  std::size_t count = 1;
  bool quoted = false;
  for (const char c : line) {
    if (c == '"') quoted = !quoted;
    if (!quoted && c == separator) ++count;
  }
  return count;
}

/// What the header line is separated by, where the file's ending promises something else: exports of
/// spreadsheets and databases write ";", tabs and "|" into files called .csv.
char separator_of(const std::string& path, char promised) {
  core::LineReader lines(path);
  std::string header;
  while (lines.next(header) && header.empty()) {
  }
  if (count_cells(header, promised) > 1) return promised;
  for (const char other : {',', ';', '\t', '|'})
    if (count_cells(header, other) > 1) return other;
  return promised;
}

class CsvRows final : public RowReader {
 public:
  CsvRows(const std::string& path, char promised)
      : path_(path), separator_(separator_of(path, promised)), lines_(path) {
    if (!read_cells()) core::fail_request("{}: no header line", path);
    if (problem_) core::fail_request("{}:1: the header line: {}", path, problem_->detail);
    if (cells_.size() > core::kMaxItemKeys)
      core::fail_request("{}:1: the header line: more than {} columns", path, core::kMaxItemKeys);
    std::set<std::string> seen;
    for (auto& name : cells_) spaced_ = trim(name) || spaced_;
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
        cells_.back().clear();
      } else {
        cells_.back() += c;
        if (spaced_ && fresh && c == ' ') continue;  // `, "a, b"` opens a quote in a file that writes `, `
      }
      fresh = false;
    }
    return !quoted;
  }

  /// Takes the spaces around a name of the header line away; true where one stood before it.
  static bool trim(std::string& name) {
    const std::string_view rest = core::trimmed(name, " \t");
    if (rest.empty()) return false;
    const bool stood_before = rest.data() != name.data();
    name = std::string(rest);
    return stood_before;
  }

  std::string path_, line_;
  char separator_;
  bool spaced_ = false;  ///< the header line has a space after its separators
  core::LineReader lines_;
  std::vector<std::string> names_, cells_;
  std::optional<core::ItemError> problem_;
  std::int64_t first_line_ = 0;
  std::size_t total_ = 0;
};

}  // namespace

std::unique_ptr<RowReader> open_csv_rows(const std::string& path, char separator) {
  return std::make_unique<CsvRows>(path, separator);
}

}  // namespace attune::data
