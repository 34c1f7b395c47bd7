#include "cli/check/check_picture.h"

#include <fmt/format.h>

#include <algorithm>

#include "cli/tokens/record_tokens.h"
#include "core/system.h"

namespace attune::cli {
namespace {

using core::Json;

std::string lengths_text(const Json& lengths) {
  if (lengths["histogram"].empty()) return "";
  std::string text = fmt::format("\ntokens a sequence: {} to {}, median {}, 95 % up to {}\n",
                                 lengths["min"].get<std::int64_t>(), lengths["max"].get<std::int64_t>(),
                                 lengths["median"].get<std::int64_t>(), lengths["p95"].get<std::int64_t>());
  std::int64_t most = 1;
  for (const auto& bar : lengths["histogram"]) most = std::max(most, bar["count"].get<std::int64_t>());
  for (const auto& bar : lengths["histogram"]) {
    const auto count = bar["count"].get<std::int64_t>();
    std::string blocks;
    for (std::int64_t i = 0; i < (count * 40 + most - 1) / most; ++i) blocks += "█";
    text += fmt::format("  {:>6}–{:<6} {:>7} {}\n", bar["from"].get<std::int64_t>(),
                        bar["to"].get<std::int64_t>(), count, blocks);
  }
  return text;
}

/// ", chosen", or ", completion 2, reward 0.5" where a row has more than two.
std::string title_of(const ShownRow& row, std::size_t i) {
  const std::string role = i < row.roles.size() && !row.roles[i].empty() ? ", " + row.roles[i] : "";
  const bool numbered = row.tokens.completions.size() > 2 || (role.empty() && i > 0);
  return (numbered ? fmt::format(", completion {}", i) : "") + role;
}

std::string rows_text(const CheckedPart& part, const data::TextCodec& codec) {
  std::string text;
  const bool colour = stdout_has_colour();
  for (const auto& row : part.found.rows)
    for (std::size_t i = 0; i < std::max<std::size_t>(1, row.tokens.completions.size()); ++i)
      text += fmt::format("\n— row {}{} —\n{}\n", row.id, title_of(row, i),
                          token_picture(row.tokens, i, codec, colour));
  for (const auto& [example, error] : part.found.left_out)
    text += "\n" + unusable_picture("row ", example, error, codec, part.options, colour);
  return text;
}

}  // namespace

Json part_json(const CheckedPart& part, const data::TextCodec& codec) {
  Json json = {{"what", part.what}, {"data", part.options.path}};
  json.update(data::to_json(part.found.summary));
  json["held_out"] = part.held_out;
  json["lengths"] = length_json(part.found.lengths);
  json["rows"] = Json::array();
  for (const auto& row : part.found.rows) json["rows"].push_back(record_json(row.id, row.tokens, codec));
  json["left_out_rows"] = Json::array();
  for (const auto& [example, error] : part.found.left_out)
    json["left_out_rows"].push_back(unusable_json(example, error, codec, part.options));
  json["warnings"] = part.found.warnings;
  return json;
}

std::string part_text(const CheckedPart& part, const data::TextCodec& codec) {
  const auto& summary = part.found.summary;
  std::string text =
      fmt::format("{}\n  format    {}\n  rows      {} read, {} used, {}\n", part.options.name(),
                  summary.format, core::human_count(summary.rows_read), core::human_count(summary.rows_kept),
                  core::counted(summary.candidates, "completion"));
  if (part.held_out > 0)
    text += fmt::format("  held out  {} with prompts of their own\n", core::counted(part.held_out, "row"));
  text += fmt::format("  tokens    {}, {} trained on\n", core::human_count(summary.tokens),
                      core::human_count(summary.trained_tokens));
  text += fmt::format("  straddle  {}\n  cut       {}\n", core::counted(summary.straddling, "row"),
                      core::counted(summary.truncated, "row"));
  if (summary.pairs > 0 && summary.pairs != summary.rows_kept)
    text += fmt::format("  pairs     {} ({})\n", core::human_count(summary.pairs), summary.pairing);
  for (const auto& [what, rows] : summary.feedback.derived)
    text += fmt::format("  derived   {} ({})\n", what, core::counted(rows, "row"));
  for (const auto& [what, count] : summary.feedback.left_out)
    text += fmt::format("  not used  {}: {}\n", what, core::human_count(count));
  for (const auto& [reason, count] : summary.dropped) {
    text += fmt::format("  left out  {}: {}\n", core::counted(count, "row"), reason);
    for (const auto& example : summary.dropped_examples.at(reason)) text += "              " + example + "\n";
  }
  return text + lengths_text(length_json(part.found.lengths)) + rows_text(part, codec);
}

}  // namespace attune::cli
