// The unified view of a real record of data.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "cli/explain/text.h"
#include "cli/explain/unified.h"
#include "cli/tokens/record_tokens.h"
#include "cli/tokens/token_pieces.h"
#include "core/error.h"
#include "training/method_needs.h"

namespace attune::cli {

namespace {

using core::Json;

constexpr std::size_t kMethodWidth = 20, kPushWidth = 10;

/// Numbers of an answer's tokens times how many of them are trained on: δ = |y| · c.
Json times_length(const Json& coefficients, const Json& mask) {
  double length = 0;
  for (const Json& trained : mask) length += trained.get<double>();
  Json pushes = Json::array();
  for (const Json& value : coefficients) pushes.push_back(value.get<double>() * length);
  return pushes;
}

/// Of every answer of the record what one method does to it.
Json pushes_on(const Json& step, std::size_t answers) {
  Json rows(answers, Json{{"dropped", true}, {"delta", Json::array()}, {"score", Json::array()}});
  for (const Json& candidate : step["candidates"]) {
    Json& row = rows[candidate["candidate"].get<std::size_t>()];
    row["dropped"] = false;
    row["delta"] = times_length(candidate["coefficients"], candidate["mask"]);
    row["score"] = candidate["score_coefficients"];
    const Json others = candidate.value("signal_coefficients", Json::object());
    for (const auto& [signal, values] : others.items())
      row["signals"][signal] = times_length(values, candidate["mask"]);
  }
  return rows;
}

/// The answers, from what a method saw of them: those that none took have no tokens.
void note_tokens(const Json& step, Json& answers) {
  for (const Json& candidate : step["candidates"]) {
    Json& answer = answers[candidate["candidate"].get<std::size_t>()];
    answer["ids"] = candidate["ids"];
    answer["tokens"] = candidate["tokens"];
  }
}

/// One method on the record, or the reason why there is nothing to see.
Json row_of(RecordExplainer& explainer, const ReadRecord& record, const algorithm::Method& method,
            Json& view) {
  Json row = {{"method", method.info().name}, {"family", algorithm::to_text(method.family())}};
  try {
    explainer.prepare_for(method);
    const auto found =
        explained_record(record, explainer.options().data, explainer.codec(), method, explainer.config());
    if (!found.ok()) {
      row["reason"] = found.error().reason;
      return row;
    }
    const Json step = explainer.explain(found.value(), method);
    note_tokens(step, view["answers"]);
    if (view["prompt"].is_null()) view["prompt"] = explainer.heading(found.value(), method)["prompt"];
    row["loss"] = step["loss"];
    row["answers"] = pushes_on(step, view["answers"].size());
  } catch (const core::Error& error) {  // a number that this record or model does not give
    if (error.code() != core::ErrorCode::kRequest) throw;
    row["reason"] = error.what();
  }
  return row;
}

std::string short_token(const std::string& token) {
  const std::string shown = visible(token);
  std::string text;
  for (const char c : shown) {
    const bool begins = (c & 0xC0) != 0x80;
    if (begins && width_of(text) + 3 > kPushWidth) return text + "…";
    text += c;
  }
  return text;
}

std::string record_cells(const Json& answer, std::size_t columns) {
  const std::size_t width = kPushWidth * columns;
  if (answer["dropped"]) return padded("| dropped", width);
  if (!answer["score"].empty())
    return padded(fmt::format("| score {:+.3g}", answer["score"][0].get<double>()), width);
  if (answer["delta"].empty()) {
    std::string through;
    const Json signals = answer.value("signals", Json::object());
    for (const auto& [signal, values] : signals.items()) through += (through.empty() ? "" : ", ") + signal;
    return padded("| by " + through, width);
  }
  std::string text;
  for (std::size_t t = 0; t < std::min(columns, answer["delta"].size()); ++t)
    text +=
        padded(fmt::format("{}{:+.2g}", t == 0 ? "| " : " ", answer["delta"][t].get<double>()), kPushWidth);
  return padded(text, width);
}

std::string record_heading(const Json& answers, const std::vector<std::size_t>& columns) {
  std::string said = padded("", kMethodWidth), tokens = said;
  for (std::size_t i = 0; i < answers.size(); ++i) {
    const Json& answer = answers[i];
    const std::string name = answer.contains("reward")
                                 ? fmt::format("| reward {:.4g}", answer["reward"].get<double>())
                                 : fmt::format("| answer {}", i);
    said += padded(name, kPushWidth * columns[i]);
    for (std::size_t t = 0; t < columns[i]; ++t) {
      const std::string token =
          t < answer["tokens"].size() ? short_token(answer["tokens"][t].get<std::string>()) : "";
      tokens += padded((t == 0 ? "| " : " ") + token, kPushWidth);
    }
  }
  return said + "\n" + tokens + "\n";
}

}  // namespace

Json unified_record_json(const MethodList& methods, RealStepOptions options) {
  std::set<std::string> heads;
  for (const auto& method : methods) heads.merge(training::heads_of(*method));
  RecordExplainer explainer(std::move(options), std::move(heads));
  const RealStepOptions& asked = explainer.options();
  const ReadRecord record = read_record(asked.data, asked.record);
  Json view = {{"model", asked.model.path}, {"data", asked.data.name()}, {"record", asked.record},
               {"row", record.row},         {"id", record.example.id},   {"prompt", Json()},
               {"answers", Json::array()},  {"methods", Json::array()}};
  for (const record::Candidate& candidate : record.example.candidates) {
    Json answer = {{"ids", Json::array()}, {"tokens", Json::array()}};
    if (candidate.reward) answer["reward"] = *candidate.reward;
    view["answers"].push_back(std::move(answer));
  }
  for (const auto& method : methods) view["methods"].push_back(row_of(explainer, record, *method, view));
  return view;
}

std::string unified_record_text(const Json& view, std::size_t tokens) {
  std::vector<std::size_t> columns;
  for (const Json& answer : view["answers"])
    columns.push_back(std::max<std::size_t>(2, std::min(tokens, answer["tokens"].size())));
  std::string text = fmt::format(
      "Record {} of {} (id {}) through every method. Prompt: \"{}\"\n\nA number is δ = |y| · -dloss/dlog π, what a "
      "token is pushed by times the answer's\nlength, in a step of this record alone; of methods on whole distributions "
      "\"by\" says\nthrough which number. Shown are the first {} tokens of each answer (tokens=).\n\n{}",
      view["record"].get<std::int64_t>(), view["data"].get<std::string>(),
      visible(view["id"].get<std::string>()),
      view["prompt"].is_null() ? "" : visible(view["prompt"].get<std::string>()), tokens,
      record_heading(view["answers"], columns));
  std::string above;
  for (const Json& row : view["methods"]) {
    if (const auto family = row["family"].get<std::string>(); family != above) {
      text += family + "-wise\n";
      above = family;
    }
    text += padded(row["method"].get<std::string>(), kMethodWidth);
    if (row.contains("reason")) {
      text += "| not here: " + row["reason"].get<std::string>() + "\n";
      continue;
    }
    for (std::size_t i = 0; i < columns.size(); ++i) text += record_cells(row["answers"][i], columns[i]);
    text += "\n";
  }
  return text;
}

}  // namespace attune::cli
