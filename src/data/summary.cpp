#include "data/summary.h"

#include <algorithm>

#include "core/progress.h"
#include "core/system.h"
#include "data/tokens/trained.h"

namespace attune::data {

namespace {

/// Takes one more number into the least and the most of `count`.
void widen(double number, std::int64_t& count, double& least, double& most) {
  least = count == 0 ? number : std::min(least, number);
  most = count == 0 ? number : std::max(most, number);
  ++count;
}

/// Calls visit(key, field) for each; `spread` may be const.
template <class AnySpread, class Visitor>
void visit_spread(AnySpread&& spread, const Visitor& visit) {
  visit("good", spread.good);
  visit("bad", spread.bad);
  visit("rated", spread.rated);
  visit("steps", spread.steps);
  visit("preferred", spread.preferred);
  visit("lowest", spread.lowest);
  visit("highest", spread.highest);
  visit("lowest_step", spread.lowest_step);
  visit("highest_step", spread.highest_step);
  visit("source", spread.source);
  visit("several_sources", spread.several_sources);
  visit("first", spread.first);
}

core::Json spread_json(const FeedbackSpread& spread) {
  core::Json json = core::Json::object();
  visit_spread(spread, [&](const char* key, const auto& field) { json[key] = field; });
  return json;
}

FeedbackSpread spread_from(const core::Json& json) {
  FeedbackSpread spread;
  visit_spread(spread, [&](const char* key, auto& field) { json.at(key).get_to(field); });
  return spread;
}

}  // namespace

void FeedbackSpread::count(const record::Candidate& said, const std::string& where) {
  if (said.label) ++(*said.label ? good : bad);
  if (said.reward) widen(*said.reward, rated, lowest, highest);
  for (const double score : said.step_scores) widen(score, steps, lowest_step, highest_step);
  if (said.role != record::Role::kRejected) {
    if (preferred == 0) source = said.source;
    several_sources = several_sources || said.source != source;
    ++preferred;
  }
  if (first.empty()) first = where;
}

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
