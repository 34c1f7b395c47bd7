#include "data/rows/file/reader.h"

#include "core/ascii.h"
#include "core/files/files.h"
#include "core/files/text_input.h"

namespace attune::data {
namespace {

bool is_space(std::string_view line) { return core::trimmed(line).empty(); }

class JsonLines final : public RowReader {
 public:
  explicit JsonLines(const std::string& path) : path_(path), lines_(path) {}
  bool next(RawRow& out) override {
    while (lines_.next(line_)) {
      if (is_space(line_)) continue;
      out.where = fmt::format("{}:{}", path_, lines_.line_number());
      parse_row(line_, out);
      return true;
    }
    return false;
  }

 private:
  std::string path_, line_;
  core::LineReader lines_;
};

class JsonArray final : public RowReader {
 public:
  explicit JsonArray(const std::string& path) : path_(path), elements_(path) {}
  bool next(RawRow& out) override {
    if (!elements_.next(element_)) return false;
    out.where = fmt::format("{}:{} (item {})", path_, elements_.line_number(), elements_.count());
    parse_row(element_, out);
    return true;
  }

 private:
  std::string path_, element_;
  core::JsonArrayReader elements_;
};

/// Rows that are already in memory: the list field of one object.
class HeldRows final : public RowReader {
 public:
  HeldRows(std::string path, core::Json rows) : path_(std::move(path)), rows_(std::move(rows)) {}
  bool next(RawRow& out) override {
    if (at_ == rows_.size()) return false;
    out.problem.reset();
    out.row = std::move(rows_[at_++]);
    if (out.row.is_string()) out.row = {{"text", out.row}};
    out.where = fmt::format("{} (row {})", path_, at_);
    return true;
  }

 private:
  std::string path_;
  core::Json rows_;
  std::size_t at_ = 0;
};

class TextLines final : public RowReader {
 public:
  explicit TextLines(const std::string& path) : path_(path), lines_(path) {}
  bool next(RawRow& out) override {
    while (lines_.next(line_)) {
      if (is_space(line_)) continue;
      out.where = fmt::format("{}:{}", path_, lines_.line_number());
      out.problem.reset();
      const std::size_t bad = core::find_invalid_utf8(line_);
      if (bad != std::string::npos)
        out.problem = {"not valid UTF-8", fmt::format("at byte {} of the line", bad)};
      out.row = {{"text", bad == std::string::npos ? line_ : ""}};
      return true;
    }
    return false;
  }

 private:
  std::string path_, line_;
  core::LineReader lines_;
};

/// Whether a line is the beginning of an object that goes on over several lines.
bool is_opening(const std::string& line) {
  const std::size_t last = line.find_last_not_of(" \t\r\f\v");
  return last != std::string::npos && std::string_view("{[,").find(line[last]) != std::string_view::npos;
}

std::string whole_text(const std::string& path) {
  constexpr std::size_t kMaxHeld = std::size_t{512} << 20;
  core::LineReader lines(path);
  std::string all, line;
  while (lines.next(line) && all.size() < kMaxHeld) all += line + "\n";
  return all;
}

/// A JSON file that begins with "{": JSON Lines, or one object.
std::unique_ptr<RowReader> open_object(const SourceFile& file, const ObjectReading& how) {
  core::LineReader lines(file.path);
  std::string line, second, why;
  core::Json object;
  while (lines.next(line) && is_space(line)) {
  }
  const bool whole_line = core::try_parse_json(line, object, why);
  bool more = false;
  while (!more && lines.next(second)) more = !is_space(second);
  bool single = whole_line && !more;
  if (!whole_line && more && (file.kind == FileKind::kJson || is_opening(line)))
    single = core::try_parse_json(whole_text(file.path), object, why);
  core::Json rows;
  if (single && object.is_object()) rows = rows_of_object(file.path, object, how);
  if (!rows.is_null()) return std::make_unique<HeldRows>(file.path, std::move(rows));
  if (single && !whole_line)
    return std::make_unique<HeldRows>(file.path, core::Json::array({std::move(object)}));
  return std::make_unique<JsonLines>(file.path);
}

/// A file that is one JSON text, which spells the rows: what json.dump(json.dumps(rows), file) leaves. Null
/// where it is none.
std::unique_ptr<RowReader> open_spelt(const SourceFile& file, const ObjectReading& how) {
  core::LineReader lines(file.path);
  std::string line, why;
  core::Json text, rows;
  while (lines.next(line) && is_space(line)) {
  }
  if (!core::try_parse_json(line, text, why) || !text.is_string()) return nullptr;
  for (std::string more; lines.next(more);)
    if (!is_space(more)) return nullptr;
  if (!core::try_parse_json(text.get_ref<const std::string&>(), rows, why)) return nullptr;
  if (rows.is_object()) rows = rows_of_object(file.path, rows, how);
  if (!rows.is_array() || rows.empty() || !rows[0].is_object()) return nullptr;
  return std::make_unique<HeldRows>(file.path, std::move(rows));
}

std::unique_ptr<RowReader> open_json(const SourceFile& file, char first, const ObjectReading& how) {
  if (first == '{') {
    auto reader = open_object(file, how);
    if (how.field.empty() || dynamic_cast<HeldRows*>(reader.get()) != nullptr) return reader;
  }
  if (first == '"')
    if (auto reader = open_spelt(file, how)) return reader;
  if (!how.field.empty())
    core::fail_request("{}: data.field={} names a list inside one object, and the file holds rows", file.path,
                       how.field);
  if (first == '[') return std::make_unique<JsonArray>(file.path);
  if (file.kind == FileKind::kJsonLines) return std::make_unique<JsonLines>(file.path);
  core::fail_request(
      "{}: neither JSON Lines nor a JSON array; it begins with '{}'. Text files need the ending .txt",
      file.path,
      first >= ' ' && first < 127
          ? std::string(1, first)
          : std::string("\\x") + fmt::format("{:02x}", static_cast<unsigned char>(first)));
}

}  // namespace

void parse_row(std::string_view text, RawRow& out) {
  std::string why;
  out.problem.reset();
  if (!core::try_parse_json(text, out.row, why)) {
    if (why.size() > 200) why = why.substr(0, 200) + " …";
    if (text.find("NaN") != text.npos || text.find("Infinity") != text.npos)
      why += " (NaN and Infinity are no numbers of JSON: leave such values out)";
    out.problem = core::ItemError{"not valid JSON", why};
    out.row = core::Json();
  } else if (out.row.is_string()) {
    out.row = core::Json{{"text", out.row}};
  } else if (!out.row.is_object()) {
    out.problem = core::ItemError{"not an object", "a row must be a JSON object"};
  }
}

std::unique_ptr<RowReader> open_rows(const SourceFile& file, const ObjectReading& how) {
  const char first = core::first_character(file.path);
  if (first == '\0') core::fail_request("{}: the file is empty", file.path);
  switch (file.kind) {
    case FileKind::kCsv:
      return open_csv_rows(file.path, ',');
    case FileKind::kTsv:
      return open_csv_rows(file.path, '\t');
    case FileKind::kText:
      return std::make_unique<TextLines>(file.path);
    case FileKind::kJsonLines:
    case FileKind::kJson:
      break;
  }
  return open_json(file, first, how);
}

}  // namespace attune::data
