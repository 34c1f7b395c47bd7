#include "cli/explain/worked_example.h"

#include <fmt/format.h>

#include <algorithm>

#include "algorithm/fixture/fixture.h"
#include "algorithm/fixture/worked_example.h"
#include "cli/explain/text.h"
#include "report/metric_names.h"

namespace attune::cli {

namespace {

using algorithm::Method;
using core::Json;

bool reads_reference(const Method& method) {
  return std::ranges::any_of(method.needs(), [](const algorithm::Need& need) {
    return need.source == algorithm::Source::kReference && need.signal == "logps";
  });
}

/// The worked numbers of one candidate: a line of sums, then a line a token.
std::string candidate_text(const algorithm::WorkedExample& example, const Json& result, bool with_reference,
                           std::size_t index) {
  const Json& given = example.fixture["candidates"][index];
  const Json& found = result["candidates"][index];
  std::string text = fmt::format("\n  [{}]", example.feedback[index]);
  double sum = 0, reference = 0;
  for (const Json& value : given.value("logps", Json::array())) sum += value.get<double>();
  for (const Json& value : given.value("ref_logps", Json::array())) reference += value.get<double>();
  if (given.contains("logps") && found["score_coefficients"].empty()) {
    text += fmt::format("   log π = {:.4g}", sum);
    if (with_reference)
      text += fmt::format(", log π_ref = {:.4g}, log-ratio = {:+.4g}", reference, sum - reference);
  }
  if (!found["score_coefficients"].empty()) {
    return text + fmt::format("   score = {}, coefficient = {}\n", number(given["scores"][0]),
                              number(found["score_coefficients"][0]));
  }
  text += "\n";
  for (std::size_t t = 0; t < example.tokens[index].size(); ++t) {
    text += fmt::format("    {}", padded("'" + example.tokens[index][t] + "'", 14));
    if (given.contains("logps")) text += fmt::format("  log π {:>7}", number(given["logps"][t]));
    if (!found["advantages"].empty())
      text += fmt::format("  advantage {:>7}", number(found["advantages"][t]));
    if (!found["coefficients"].empty())
      text += fmt::format("  coefficient {:>9}", number(found["coefficients"][t]));
    if (found.contains("logit_coefficients")) {
      text += "  coefficients of the logits";
      for (const Json& value : found["logit_coefficients"][t]) text += fmt::format(" {:>9}", number(value));
    }
    text += "\n";
  }
  return text;
}

std::string words_text(const algorithm::WorkedExample& example, const Json& result) {
  std::string text = kInWords;
  for (std::size_t i = 0; i < example.tokens.size(); ++i) {
    const Json &found = result["candidates"][i], &given = example.fixture["candidates"][i];
    const bool scores = !found["score_coefficients"].empty();
    const auto pushes = scores ? found["score_coefficients"].get<std::vector<double>>()
                               : algorithm::token_pushes(found, given.value("ids", Json::array()));
    text += scores
                ? score_push_in_words(example.feedback[i], pushes[0])
                : push_in_words(example.tokens[i][0] + "…", example.feedback[i], pushes, example.tokens[i]);
  }
  return text;
}

Json example_result(const Method& method, const algorithm::WorkedExample& example) {
  return algorithm::explain_fixture(algorithm::parse_fixture(example.fixture, "example"), method, "example");
}

}  // namespace

std::string worked_example_text(const Method& method) {
  const algorithm::WorkedExample example = algorithm::worked_example(method);
  const Json result = example_result(method, example);
  std::string text = fmt::format("\nA worked example. Prompt: \"{}\"\n", example.prompt);
  for (std::size_t i = 0; i < example.tokens.size(); ++i)
    text += candidate_text(example, result, reads_reference(method), i);
  text += fmt::format("\n  loss = {:.6g}\n", result["loss"].get<double>());
  for (const auto& [name, value] : result["metrics"].items())
    text += fmt::format("  {} = {}\n", name, number(value));
  return text + words_text(example, result);
}

std::string compare_text(const MethodList& methods) {
  std::string text;
  for (const auto& method : methods) text += card_text(*method) + "\n";
  return text + unified_text(methods);
}

Json card_json(Method& method) {
  const algorithm::MethodInfo info = method.info();
  const algorithm::WorkedExample example = algorithm::worked_example(method);
  return {{"method", info.name},
          {"title", info.title},
          {"paper", info.paper},
          {"formula", info.formula},
          {"summary", info.summary},
          {"departures", info.departures},
          {"metrics", report::to_json(info.metrics)},
          {"options", core::options_json(method.fields())},
          {"example", {{"fixture", example.fixture}, {"result", example_result(method, example)}}}};
}

}  // namespace attune::cli
