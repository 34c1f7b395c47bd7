#include "cli/explain/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "algorithm/fixture/worked_example.h"

namespace attune::cli {

using algorithm::Method;
using core::Json;

namespace {

std::string indented(const std::string& text) {
  std::string result = "  ";
  for (const char c : text) result += c == '\n' ? std::string("\n  ") : std::string(1, c);
  return result;
}

}  // namespace

std::size_t width_of(const std::string& text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}
std::string padded(const std::string& text, std::size_t width) {
  return text + std::string(width - std::min(width, width_of(text)), ' ');
}
std::string number(const Json& value) {
  return value.is_number() ? fmt::format("{:.4g}", value.get<double>()) : "-";
}

std::string card_text(const Method& method) {
  const algorithm::MethodInfo info = method.info();
  std::string text = fmt::format("{} - {}\n{}\n\n{}\n\n{}\n", info.name, info.title, info.paper, info.summary,
                                 indented(info.formula));
  if (!info.departures.empty()) text += fmt::format("\nWhere it differs: {}\n", info.departures);
  if (!info.metrics.empty()) text += "\nLogged beside what others log:\n";
  for (const auto& metric : info.metrics)
    text += fmt::format("  {}  {}{}\n", metric.name, metric.meaning,
                        metric.unit.empty() ? "" : " (" + metric.unit + ")");
  return text;
}

std::string options_text(Method& method) {
  const std::vector<core::OptionRow> rows = core::option_rows(method.fields());
  if (rows.empty()) return "\nNo options.\n";
  std::string text = "\nOptions (method.NAME=VALUE):\n";
  std::size_t width = 0;
  for (const core::OptionRow& row : rows)
    width = std::max(width, width_of(row.key) + 3 + row.value.dump().size());
  for (const core::OptionRow& row : rows) {
    text += fmt::format("  {}  {}{}\n", padded(row.key + " = " + row.value.dump(), width), row.help,
                        row.allowed.empty() ? "" : " (" + row.allowed + ")");
  }
  return text;
}

std::string push_in_words(const std::string& answer, const std::string& feedback,
                          const std::vector<double>& pushes, const std::vector<std::string>& tokens) {
  return fmt::format("  The answer '{}' ({}) is {}.\n", answer, feedback,
                     algorithm::in_words(pushes, tokens));
}

std::string score_push_in_words(const std::string& feedback, double push) {
  return fmt::format("  The score of the {} answer is pushed {} by {:.4g}.\n", feedback,
                     push >= 0 ? "up" : "down", std::abs(push));
}

}  // namespace attune::cli
