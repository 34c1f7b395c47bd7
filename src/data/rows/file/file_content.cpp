#include "data/rows/file/file_content.h"

#include "core/ascii.h"
#include "core/files/files.h"
#include "core/files/text_input.h"
#include "data/rows/file/reader.h"

namespace attune::data {
namespace {

/// Files whose rows are not lines are parsed for this; above so many bytes that would take long.
constexpr std::uintmax_t kMostParsed = std::uintmax_t{256} << 20;
/// Below this the fingerprints of rows stay small beside the model.
constexpr std::size_t kMostRows = std::size_t{20} << 20;

/// The rows of a file one by one: as lines where those are the rows, else read.
class RowTexts {
 public:
  RowTexts(const SourceFile& file, const DataOptions& options) {
    path_ = file.path;
    std::error_code error;
    const char first = core::first_character(file.path);
    const bool json = file.kind == FileKind::kJson || file.kind == FileKind::kJsonLines;
    if (file.kind == FileKind::kText || (json && first == '{' && begins_with_a_row()))
      lines_ = std::make_unique<core::LineReader>(file.path);
    else if (!(json && first == '{') && core::fs::file_size(file.path, error) <= kMostParsed && !error)
      rows_ = open_rows(file, {options.field, {}});
  }

  bool next() {
    if (rows_) {
      RawRow raw;
      if (!rows_->next(raw)) return false;
      text_ = core::to_line(raw.row);
      where_ = raw.where;
      return true;
    }
    while (lines_ && lines_->next(text_)) {
      fingerprint_ = core::fingerprint(text_, fingerprint_);
      if (core::trimmed(text_).empty()) continue;
      where_ = fmt::format("{}:{}", path_, lines_->line_number());
      return true;
    }
    return false;
  }
  bool are_lines() const { return lines_ != nullptr; }
  /// Of all lines that were read, where rows are lines.
  std::uint64_t fingerprint() const { return fingerprint_; }
  const std::string& text() const { return text_; }
  const std::string& where() const { return where_; }

 private:
  /// Whether the file is JSON Lines, not one object over several lines.
  bool begins_with_a_row() const {
    core::LineReader lines(path_);
    std::string line, why;
    core::Json row;
    while (lines.next(line) && core::trimmed(line).empty()) {
    }
    return core::try_parse_json(line, row, why);
  }

  std::unique_ptr<core::LineReader> lines_;
  std::unique_ptr<RowReader> rows_;
  std::string path_, text_, where_;
  std::uint64_t fingerprint_ = core::fingerprint({});
};

}  // namespace

std::uint64_t content_fingerprint(const SourceFile& file, const DataOptions& options) {
  if (core::first_character(file.path) == '\0') return core::fingerprint_file(file.path);
  RowTexts rows(file, options);
  if (!rows.are_lines()) return core::fingerprint_file(file.path);
  while (rows.next()) continue;
  return rows.fingerprint();
}

FileContent content_of(const SourceFile& file, const DataOptions& options) {
  FileContent content{file.path, 0, {}};
  if (core::first_character(file.path) == '\0') {
    content.fingerprint = core::fingerprint_file(file.path);
    return content;
  }
  RowTexts rows(file, options);
  // Of lines all are read, for the fingerprint of the whole is theirs.
  while ((rows.are_lines() || content.rows.size() <= kMostRows) && rows.next())
    if (content.rows.size() <= kMostRows)
      content.rows.push_back(static_cast<std::uint32_t>(core::fingerprint(rows.text())));
  if (content.rows.size() > kMostRows) content.rows.clear();
  content.fingerprint = rows.are_lines() ? rows.fingerprint() : core::fingerprint_file(file.path);
  return content;
}

std::vector<FileContent> file_contents(const DataOptions& options) {
  std::vector<FileContent> contents;
  for (const auto& entry : source_entries(options))
    for (const auto& file : source_files(entry, options)) contents.push_back(content_of(file, options));
  return contents;
}

std::string place_of_row(const std::string& path, std::size_t row, const DataOptions& options) {
  for (const auto& entry : source_entries(options))
    for (const auto& file : source_files(entry, options)) {
      if (file.path != path) continue;
      RowTexts rows(file, options);
      for (std::size_t i = 0; rows.next(); ++i)
        if (i == row) return rows.where();
    }
  return path;
}

}  // namespace attune::data
