// `attune explain`: what a method is, in formula, options, a worked example and words; or its numbers on a
// fixture.
#include <fmt/format.h>

#include <algorithm>

#include "algorithm/example.h"
#include "algorithm/fixture.h"
#include "algorithm/method.h"
#include "cli/command.h"
#include "core/error.h"

namespace attune::cli {

namespace {

using algorithm::Example;
using algorithm::Method;
using core::Json;

std::string indented(const std::string& text) {
  std::string result = "  ";
  for (const char c : text) result += c == '\n' ? std::string("\n  ") : std::string(1, c);
  return result;
}

/// Columns in a terminal: code points, as all texts here are made of narrow ones.
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

/// The worked numbers of one candidate: a line of sums, then a line a token.
std::string candidate_text(const Example& example, const Json& result, std::size_t index) {
  const Json& given = example.fixture["candidates"][index];
  const Json& found = result["candidates"][index];
  std::string text = fmt::format("\n  [{}]", example.feedback[index]);
  double sum = 0, reference = 0;
  for (const Json& value : given.value("logps", Json::array())) sum += value.get<double>();
  for (const Json& value : given.value("ref_logps", Json::array())) reference += value.get<double>();
  if (given.contains("logps") && found["score_coefficients"].empty()) {
    text += fmt::format("   log π = {:.4g}, log π_ref = {:.4g}, log-ratio = {:+.4g}", sum, reference,
                        sum - reference);
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

std::string words_text(const Example& example, const Json& result) {
  std::string text =
      "\nIn words (a coefficient is -dloss/dlog π, what a token's log-probability is pushed by):\n";
  for (std::size_t i = 0; i < example.tokens.size(); ++i) {
    const Json& found = result["candidates"][i];
    const bool scores = !found["score_coefficients"].empty();
    std::vector<double> pushes =
        (scores ? found["score_coefficients"] : found["coefficients"]).get<std::vector<double>>();
    std::vector<std::string> names = example.tokens[i];
    if (scores) names = {"the score"};
    if (found.contains("logit_coefficients")) {
      const Json& ids = example.fixture["candidates"][i]["ids"];
      for (std::size_t t = 0; t < ids.size(); ++t) {
        pushes.push_back(found["logit_coefficients"][t][ids[t].get<std::size_t>()].get<double>());
      }
    }
    text += scores ? fmt::format("  The score of the {} answer is pushed {} by {:.4g}.\n",
                                 example.feedback[i], pushes[0] >= 0 ? "up" : "down", std::abs(pushes[0]))
                   : fmt::format("  The answer '{}…' ({}) is {}.\n", example.tokens[i][0],
                                 example.feedback[i], algorithm::in_words(pushes, names));
  }
  return text;
}

Json example_result(const Method& method, const Example& example) {
  return algorithm::explain_fixture(algorithm::parse_fixture(example.fixture, "example"), method, "example");
}

std::string example_text(const Method& method) {
  const Example example = algorithm::example_for(method);
  const Json result = example_result(method, example);
  std::string text = fmt::format("\nA worked example. Prompt: \"{}\"\n", example.prompt);
  for (std::size_t i = 0; i < example.tokens.size(); ++i) text += candidate_text(example, result, i);
  text += fmt::format("\n  loss = {:.6g}\n", result["loss"].get<double>());
  for (const auto& [name, value] : result["metrics"].items())
    text += fmt::format("  {} = {}\n", name, number(value));
  return text + words_text(example, result);
}

/// Two or more methods on the same example, column by column where they learn from the same kind of feedback.
std::string compare_text(const std::vector<std::unique_ptr<Method>>& methods) {
  std::string text;
  for (const auto& method : methods) text += card_text(*method) + "\n";
  const Example example = algorithm::example_for(*methods.front());
  std::vector<Json> results;
  for (const auto& method : methods) {
    if (algorithm::example_for(*method).fixture != example.fixture) {
      text += "These methods learn from different kinds of feedback or signals; each has its own example:\n";
      for (const auto& each : methods) text += "\n" + each->info().name + ":" + example_text(*each);
      return text;
    }
    results.push_back(example_result(*method, example));
  }
  text +=
      fmt::format("Coefficients on the same example. Prompt: \"{}\"\n\n{}", example.prompt, padded("", 30));
  for (const auto& method : methods) text += padded(method->info().name, 14);
  for (std::size_t i = 0; i < example.tokens.size(); ++i) {
    for (std::size_t t = 0; t < example.tokens[i].size(); ++t) {
      text += "\n" + padded(fmt::format("  {} '{}'", example.feedback[i], example.tokens[i][t]), 30);
      for (const Json& result : results) {
        const Json& row = result["candidates"][i];
        const Json& of_tokens = row["coefficients"];
        const Json& shown = of_tokens.empty() ? row["score_coefficients"] : of_tokens;
        text += padded(t < shown.size() ? number(shown[t]) : "-", 14);
      }
    }
  }
  text += "\n\n" + padded("  loss", 30);
  for (const Json& result : results) text += padded(number(result["loss"]), 14);
  return text + "\n";
}

Json card_json(Method& method) {
  const algorithm::MethodInfo info = method.info();
  const Example example = algorithm::example_for(method);
  return {{"method", info.name},
          {"title", info.title},
          {"paper", info.paper},
          {"formula", info.formula},
          {"summary", info.summary},
          {"departures", info.departures},
          {"options", core::options_json(method.fields())},
          {"example", {{"fixture", example.fixture}, {"result", example_result(method, example)}}}};
}

class Explain final : public Command {
 public:
  CommandInfo info() const override {
    return {
        .name = "explain",
        .summary =
            "shows what a method does: formula, options, a worked example, or its numbers on a fixture",
        .usage = "METHOD [fixture=FILE.json] [method.NAME=VALUE …] [--json] | --compare METHOD METHOD …",
        .details =
            "With a fixture (candidates with their log-probabilities and feedback) it prints the loss, the "
            "metrics and the coefficients, -dloss/dlogp of every token, in float64 and without a model.",
        .examples = {{"attune explain dpo", "formula, paper, options and a worked example"},
                     {"attune explain dpo fixture=pair.json method.beta=0.2 --json", "numbers for a program"},
                     {"attune explain --compare dpo ipo", "two methods side by side on the same example"}},
        .min_words = 0,
        .max_words = 8,
        .flags = {"compare"}};
  }
  void declare(core::Fields& fields) override {
    fields.add("method", method_, "The method and its options, when it is not given as a word.")
        .short_form("name")
        .shown_type("method");
    fields.add("fixture", fixture_, "A JSON file with candidates (logps, ref_logps, rank, reward …).")
        .shown_type("file");
    fields.add("model", model_, "A model, to explain the method on a real record of data.")
        .short_form("path");
    fields.add("data", data_, "Records for that.").short_form("path");
  }

  int run(const Request& request, Output& out) override {
    if (request.has_flag("compare")) return compare(request.words, out);
    if (request.words.size() > 1) {
      core::fail_request("explain takes one method, found '{}'; for several: attune explain --compare {}",
                         fmt::join(request.words, " "), fmt::join(request.words, " "));
    }
    const std::unique_ptr<Method> method = algorithm::make_method(named_method(request.words));
    if (!model_.is_null() || !data_.is_null()) return explain_data(*method, out);
    if (!fixture_.empty()) return explain_file(*method, out);
    if (out.json()) {
      out.line(card_json(*method));
    } else {
      out.text(card_text(*method) + options_text(*method) + example_text(*method));
    }
    return 0;
  }

 private:
  /// The settings of make_method: the word, the option `method`, or both (options of the word's method).
  core::Value named_method(const std::vector<std::string>& words) const {
    if (words.empty()) {
      if (method_.is_null()) core::fail_request("explain which method? For example: attune explain dpo");
      return method_;
    }
    const core::Value name = core::Value::scalar(words[0], true, fmt::format("argument '{}'", words[0]));
    if (method_.is_null()) return name;
    core::Value settings = method_;
    if (!settings.is_map() || settings.find("name") != nullptr) {
      core::fail_request("{}: the method is named twice, as '{}' and in method=; keep one", method_.place(),
                         words[0]);
    }
    settings.set("name", name);
    return settings;
  }

  int compare(const std::vector<std::string>& words, Output& out) const {
    if (words.size() < 2)
      core::fail_request("--compare takes two or more methods: attune explain --compare dpo ipo");
    std::vector<std::unique_ptr<Method>> methods;
    for (const std::string& word : words) {
      methods.push_back(
          algorithm::make_method(core::Value::scalar(word, true, fmt::format("argument '{}'", word))));
    }
    if (!out.json()) {
      out.text(compare_text(methods));
    } else {
      for (const auto& method : methods) out.line(card_json(*method));
    }
    return 0;
  }

  int explain_file(Method& method, Output& out) const {
    const auto candidates = algorithm::parse_fixture(core::read_json_file(fixture_), fixture_);
    Json result = {{"method", method.info().name}, {"options", method.fields().to_json()}};
    result.update(algorithm::explain_fixture(candidates, method, fixture_));
    if (out.json()) {
      out.line(result);
    } else {
      out.text(card_text(method) + "\n" + result.dump(2) + "\n");
    }
    return 0;
  }

  /// A real record of the data, token by token: reads signals with the engine. Not connected yet.
  static int explain_data(const Method& method, Output& /*out*/) {
    core::fail_request(
        "explain {}: model= and data= are not connected yet; use fixture=FILE.json, or `attune score` to "
        "get the log-probabilities of a record",
        method.info().name);
  }

  core::Value method_, model_, data_;
  std::string fixture_;
};

}  // namespace

std::unique_ptr<Command> command_explain() { return std::make_unique<Explain>(); }

}  // namespace attune::cli
