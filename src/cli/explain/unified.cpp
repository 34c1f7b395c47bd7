#include "cli/explain/unified.h"

#include <fmt/format.h>

#include "algorithm/fixture/shared_example.h"
#include "cli/explain/text.h"

namespace attune::cli {

namespace {

using algorithm::Family;
using algorithm::SharedExample;
using algorithm::SharedPush;
using core::Json;

constexpr std::size_t kNameWidth = 20, kTokenWidth = 10;

std::string heading(const SharedExample& example) {
  std::string answers = padded("", kNameWidth), tokens = answers;
  for (std::size_t i = 0; i < example.tokens.size(); ++i) {
    const std::size_t width = kTokenWidth * example.tokens[i].size();
    answers += padded(fmt::format("| reward {:.4g}", example.rewards[i]), width);
    for (std::size_t t = 0; t < example.tokens[i].size(); ++t)
      tokens += padded((t == 0 ? "| " : " ") + example.tokens[i][t], kTokenWidth);
  }
  return answers + "\n" + tokens + "\n";
}

/// The cells of one answer.
std::string cells(const SharedPush& push, std::size_t answer, std::size_t tokens) {
  if (!push.taken[answer]) return padded("| dropped", kTokenWidth * tokens);
  if (!push.score[answer].empty())
    return padded(fmt::format("| score {:+.3g}", push.score[answer][0]), kTokenWidth * tokens);
  std::string text;
  for (std::size_t t = 0; t < tokens; ++t)
    text += padded(fmt::format("{}{:+.2g}", t == 0 ? "| " : " ", push.delta[answer][t]), kTokenWidth);
  return text;
}

std::string row_text(const SharedExample& example, const algorithm::Method& method) {
  const SharedPush push = algorithm::push_on(example, method);
  std::string text = padded(method.info().name, kNameWidth);
  for (std::size_t i = 0; i < example.tokens.size(); ++i) text += cells(push, i, example.tokens[i].size());
  return text + "\n";
}

}  // namespace

std::string unified_text(const MethodList& methods) {
  const SharedExample example = algorithm::shared_example();
  std::string text = fmt::format(
      "The same four rated answers through every method. Prompt: \"{}\"\n\nA number is δ = |y| · -dloss/dlog π, what a "
      "token is pushed by times the answer's\nlength; of methods on whole distributions it is the push on the token's "
      "logit.\n\n{}",
      example.prompt, heading(example));
  std::string above;
  for (const auto& method : methods) {
    const std::string family(algorithm::to_text(method->family()));
    if (family != above) text += family + "-wise\n";
    above = family;
    text += row_text(example, *method);
  }
  return text;
}

Json unified_json(const MethodList& methods) {
  const SharedExample example = algorithm::shared_example();
  Json json = {{"prompt", example.prompt},
               {"answers", Json::array()},
               {"candidates", example.candidates},
               {"methods", Json::array()}};
  for (std::size_t i = 0; i < example.tokens.size(); ++i)
    json["answers"].push_back({{"tokens", example.tokens[i]}, {"reward", example.rewards[i]}});
  for (const auto& method : methods) {
    const SharedPush push = algorithm::push_on(example, *method);
    Json row = {{"method", method->info().name},
                {"family", algorithm::to_text(method->family())},
                {"loss", push.loss},
                {"answers", Json::array()}};
    for (std::size_t i = 0; i < example.tokens.size(); ++i)
      row["answers"].push_back(
          {{"dropped", !push.taken[i]}, {"delta", push.delta[i]}, {"score", push.score[i]}});
    json["methods"].push_back(std::move(row));
  }
  return json;
}

}  // namespace attune::cli
