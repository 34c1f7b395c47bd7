#include "data/summary.h"

#include <algorithm>

#include "core/progress.h"
#include "core/system.h"
#include "data/tokens/trained.h"

namespace attune::data {

void FeedbackSpread::count(const record::Candidate& said, const std::string& where) {
  if (said.label) ++(*said.label ? good : bad);
  if (said.reward) {
    lowest = rated == 0 ? *said.reward : std::min(lowest, *said.reward);
    highest = rated == 0 ? *said.reward : std::max(highest, *said.reward);
    ++rated;
  }
  if (first.empty() && (said.label || said.reward)) first = where;
}

namespace {

core::Json spread_json(const FeedbackSpread& spread) {
  return {{"good", spread.good},     {"bad", spread.bad},         {"rated", spread.rated},
          {"lowest", spread.lowest}, {"highest", spread.highest}, {"first", spread.first}};
}

FeedbackSpread spread_from(const core::Json& json) {
  return {json.at("good").get<std::int64_t>(),  json.at("bad").get<std::int64_t>(),
          json.at("rated").get<std::int64_t>(), json.at("lowest").get<double>(),
          json.at("highest").get<double>(),     json.at("first").get<std::string>()};
}

}  // namespace

void DatasetSummary::drop(const std::string& reason, const std::string& where, const std::string& detail) {
  ++dropped[reason];
  auto& examples = dropped_examples[reason];
  if (examples.size() < 3) examples.push_back(detail.empty() ? where : where + ": " + detail);
}

void DatasetSummary::count_sequences(std::int64_t prompt,
                                     std::span<const std::span<const std::uint8_t>> masks,
                                     std::int64_t copies) {
  for (const auto mask : masks) {
    longest = std::max<std::int64_t>(longest, prompt + std::ssize(mask));
    tokens += copies * std::ssize(mask);
    trained_tokens += copies * trained_count(static_cast<std::size_t>(prompt), mask);
  }
  tokens += copies * std::max<std::int64_t>(1, std::ssize(masks)) * prompt;
  rows_kept += copies;
  candidates += copies * std::ssize(masks);
}

core::Json to_json(const DatasetSummary& summary) {
  return {{"format", summary.format},
          {"pairing", summary.pairing},
          {"rows_read", summary.rows_read},
          {"rows_kept", summary.rows_kept},
          {"candidates", summary.candidates},
          {"pairs", summary.pairs},
          {"tokens", summary.tokens},
          {"trained_tokens", summary.trained_tokens},
          {"longest", summary.longest},
          {"straddling", summary.straddling},
          {"truncated", summary.truncated},
          {"teaching_nothing", summary.teaching_nothing},
          {"spread", spread_json(summary.spread)},
          {"derived", summary.feedback.derived},
          {"not_compared", summary.feedback.left_out},
          {"dropped", summary.dropped},
          {"dropped_examples", summary.dropped_examples},
          {"noticed", summary.noticed.json()}};
}

DatasetSummary summary_from_json(const core::Json& json, std::uint64_t fingerprint) {
  DatasetSummary summary;
  summary.format = json.at("format").get<std::string>();
  summary.pairing = json.at("pairing").get<std::string>();
  summary.pairs = json.at("pairs").get<std::int64_t>();
  summary.feedback.derived = json.at("derived").get<std::map<std::string, std::int64_t>>();
  summary.feedback.left_out = json.at("not_compared").get<std::map<std::string, std::int64_t>>();
  summary.rows_read = json.at("rows_read").get<std::int64_t>();
  summary.rows_kept = json.at("rows_kept").get<std::int64_t>();
  summary.candidates = json.at("candidates").get<std::int64_t>();
  summary.tokens = json.at("tokens").get<std::int64_t>();
  summary.trained_tokens = json.at("trained_tokens").get<std::int64_t>();
  summary.longest = json.at("longest").get<std::int64_t>();
  summary.straddling = json.at("straddling").get<std::int64_t>();
  summary.truncated = json.at("truncated").get<std::int64_t>();
  summary.teaching_nothing = json.at("teaching_nothing").get<std::int64_t>();
  summary.spread = spread_from(json.at("spread"));
  summary.dropped = json.at("dropped").get<std::map<std::string, std::int64_t>>();
  summary.dropped_examples = json.at("dropped_examples").get<decltype(summary.dropped_examples)>();
  summary.noticed = Noticed::from_json(json.at("noticed"));
  summary.fingerprint = fingerprint;
  return summary;
}

std::string left_out_text(const DatasetSummary& summary) {
  std::string text;
  for (const auto& [reason, examples] : summary.dropped_examples)
    text += fmt::format("\n  {}: {} ({})", core::counted(summary.dropped.at(reason), "row"), reason,
                        examples.front());
  return text;
}

std::string feedback_text(const DatasetSummary& summary) {
  std::string text;
  const auto add = [&](const std::string& part) { text += (text.empty() ? "" : "; ") + part; };
  for (const auto& [what, rows] : summary.feedback.derived) add(what + ": " + core::counted(rows, "row"));
  for (const auto& [what, count] : summary.feedback.left_out) add(fmt::format("{}: {}", what, count));
  return text;
}

}  // namespace attune::data
