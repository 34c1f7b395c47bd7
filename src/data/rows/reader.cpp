#include "data/rows/reader.h"

#include "core/files/files.h"
#include "core/files/text_input.h"

namespace attune::data {
namespace {

bool is_space(std::string_view line) {
  return line.find_first_not_of(" \t\r\n\f\v") == std::string_view::npos;
}

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

/// The only field of an object that is a list of rows, or null.
const core::Json* only_list(const core::Json& object) {
  const core::Json* found = nullptr;
  if (!object.is_object()) return nullptr;
  for (const auto& [name, value] : object.items()) {
    if (!value.is_array() || value.empty() || !(value[0].is_object() || value[0].is_string())) continue;
    if (found != nullptr) return nullptr;
    found = &value;
  }
  return found;
}

/// A JSON file that begins with "{": JSON Lines, or one object.
std::unique_ptr<RowReader> open_object(const std::string& path) {
  core::LineReader lines(path);
  std::string line, second, why;
  core::Json first;
  while (lines.next(line) && is_space(line)) {
  }
  const bool whole_line = core::try_parse_json(line, first, why);
  bool more = false;
  while (!more && lines.next(second)) more = !is_space(second);
  if (whole_line && (more || first.size() != 1 || only_list(first) == nullptr))
    return std::make_unique<JsonLines>(path);
  if (whole_line) return std::make_unique<HeldRows>(path, *only_list(first));
  core::Json object;
  std::string all = line;
  core::LineReader again(path);
  constexpr std::size_t kMaxHeld = std::size_t{512} << 20;
  for (all.clear(); again.next(line) && all.size() < kMaxHeld;) all += line + "\n";
  if (!core::try_parse_json(all, object, why)) return std::make_unique<JsonLines>(path);
  const core::Json* rows = only_list(object);
  if (rows == nullptr || is_space(all)) return std::make_unique<HeldRows>(path, core::Json::array({object}));
  return std::make_unique<HeldRows>(path, *rows);
}

}  // namespace

void parse_row(std::string_view text, RawRow& out) {
  std::string why;
  out.problem.reset();
  if (!core::try_parse_json(text, out.row, why)) {
    if (why.size() > 200) why = why.substr(0, 200) + " …";
    out.problem = core::ItemError{"not valid JSON", why};
    out.row = core::Json();
  } else if (out.row.is_string()) {
    out.row = core::Json{{"text", out.row}};
  } else if (!out.row.is_object()) {
    out.problem = core::ItemError{"not an object", "a row must be a JSON object"};
  }
}

std::unique_ptr<RowReader> open_rows(const SourceFile& file) {
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
      return std::make_unique<JsonLines>(file.path);
    case FileKind::kJson:
      break;
  }
  if (first == '[') return std::make_unique<JsonArray>(file.path);
  if (first == '{') return open_object(file.path);
  core::fail_request(
      "{}: neither JSON Lines nor a JSON array; it begins with '{}'. Text files need the ending .txt",
      file.path,
      first >= ' ' && first < 127
          ? std::string(1, first)
          : std::string("\\x") + fmt::format("{:02x}", static_cast<unsigned char>(first)));
}

}  // namespace attune::data
