#include <algorithm>

#include "cli/command.h"
#include "core/error.h"

namespace attune::cli {
namespace {

constexpr std::size_t kWidth = 100;
constexpr std::size_t kLongestDefault = 28;

/// Breaks `text` at spaces into lines of at most kWidth, all but the first indented.
std::string wrap(const std::string& text, std::size_t indent) {
  std::string out;
  std::size_t column = indent;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find(' ', at), text.size());
    const std::string word = text.substr(at, end - at);
    if (column > indent && column + 1 + word.size() > kWidth) {
      out += "\n" + std::string(indent, ' ');
      column = indent;
    } else if (column > indent) {
      out += ' ';
      ++column;
    }
    out += word;
    column += word.size();
    at = end + 1;
  }
  return out;
}

std::string shown_default(const core::Json& value) {
  if (value.is_null() || (value.is_string() && value.get_ref<const std::string&>().empty())) return "";
  if (value.is_structured() && value.empty()) return "";
  std::string text = core::to_yaml(value);
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text.size() > kLongestDefault || text.find('\n') != std::string::npos ? "…" : text;
}

std::string option_line(const core::OptionRow& row, std::size_t key_width) {
  std::string line = fmt::format("  {:<{}}  ", row.key, key_width);
  const std::size_t indent = line.size();
  std::string notes = row.type;
  if (!row.allowed.empty()) notes += ", " + row.allowed;
  const std::string value = row.default_from.empty() ? shown_default(row.value) : "from " + row.default_from;
  if (!value.empty()) notes += ", default " + value;
  if (!row.short_form.empty()) notes += fmt::format(", short form {}", row.short_form);
  if (!row.aliases.empty()) notes += fmt::format(", also {}", fmt::join(row.aliases, ", "));
  return line + wrap(fmt::format("{} ({})", row.help, notes), indent) + "\n";
}

}  // namespace

std::string help_text(const CommandInfo& info, const core::Fields& fields) {
  std::string out = fmt::format("{}\n\nusage: attune {} {}\n", info.summary, info.name, info.usage);
  if (!info.details.empty()) out += "\n" + wrap(info.details, 0) + "\n";
  const auto rows = core::option_rows(fields);
  if (!rows.empty()) {
    std::size_t width = 0;
    for (const auto& row : rows) width = std::max(width, row.key.size());
    out += "\noptions (key=value, or in a recipe):\n";
    for (const auto& row : rows) out += option_line(row, std::min<std::size_t>(width, 32));
  }
  out += "\nflags:\n";
  for (const auto& flag : info.flags) out += fmt::format("  --{}\n", flag);
  out += "  --json  print JSON Lines and nothing else\n  --help  print this\n";
  if (!info.examples.empty()) out += "\nexamples:\n";
  for (const auto& example : info.examples)
    out += fmt::format("  {}\n      {}\n", example.line, example.meaning);
  return out;
}

std::string overview_text() {
  std::string out =
      "attune: aligns language models with feedback of people, rules and reward models\n\n"
      "usage: attune COMMAND [recipe.yaml] [key=value …] [--json] [--help]\n\ncommands:\n";
  for (const auto& [name, make] : command_entries()) {
    out += fmt::format("  {:<12}{}\n", name, make()->info().summary);
  }
  out +=
      "\nexamples:\n"
      "  attune quickstart\n"
      "      the whole loop on the bundled model, in minutes\n"
      "  attune train model=DIR data=prefs.jsonl method=dpo adapter.type=lora output=runs/x\n"
      "      preference training\n"
      "  attune list methods\n"
      "      what there is to train with\n\n"
      "attune COMMAND --help shows every option of a command; attune --version the versions.\n";
  return out;
}

}  // namespace attune::cli
