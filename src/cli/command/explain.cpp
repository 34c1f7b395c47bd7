// `attune explain`: what a method is, in formula, options, a worked example and words; its numbers on a
// fixture; or what it does to a real record, token by token.
#include <algorithm>

#include "algorithm/fixture/fixture.h"
#include "algorithm/method.h"
#include "cli/command.h"
#include "cli/explain/picture.h"
#include "cli/explain/real_step.h"
#include "cli/explain/text.h"
#include "cli/explain/unified.h"
#include "cli/explain/worked_example.h"
#include "cli/tokens/record_tokens.h"
#include "core/error.h"
#include "training/run/recipe/loss_list.h"

namespace attune::cli {

namespace {

using algorithm::Method;
using core::Json;

/// Settings that only mean something beside model= and data=.
constexpr const char* kOfRealRecords[] = {"reference", "record", "step_records", "tokens"};

std::vector<std::string> method_names() {
  std::vector<std::string> names;
  for (const auto& [name, make] : algorithm::method_entries()) names.emplace_back(name);
  return names;
}

class Explain final : public Command {
 public:
  CommandInfo info() const override {
    return {
        .name = "explain",
        .summary =
            "Shows what a method does: formula, options, a worked example, its numbers on a fixture or on "
            "data",
        .usage =
            "METHOD [fixture=FILE.json | model=MODEL data=FILE] [method.NAME=VALUE …] [--json] | --compare "
            "METHOD METHOD … | --unified [model=MODEL data=FILE]",
        .details =
            "With a fixture (candidates with their log-probabilities and feedback) it prints the loss, the "
            "metrics and the coefficients, -dloss/dlogp of every token, in float64 and without a model. With "
            "model= and data= it does so for a real record, token by token: green is pushed up, red down.",
        .examples = {{"attune explain dpo", "formula, paper, options and a worked example"},
                     {"attune explain dpo fixture=pair.json method.beta=0.2 --json", "numbers for a program"},
                     {"attune explain dpo model=MODEL data=prefs.jsonl",
                      "a real pair, token by token, at the start of training"},
                     {"attune explain --compare dpo ipo", "two methods side by side on the same answers"},
                     {"attune explain --unified",
                      "every method on the same four answers: what each token is pushed by"},
                     {"attune explain --unified model=MODEL data=rated.jsonl record=3",
                      "the same of a real record"}},
        .min_words = 0,
        .max_words = 8,
        .flags = {"compare", "unified"},
        .known_words = method_names()};
  }
  void declare(core::Fields& fields) override {
    fields.add("method", method_, "The method and its options, when it is not given as a word.")
        .short_form("name")
        .shown_type("method");
    fields.add("fixture", fixture_, "A JSON file with candidates (logps, ref_logps, rank, reward …).")
        .shown_type("file");
    data_.declare(fields);
  }

  int run(const Request& request, Output& out) override {
    if (request.has_flag("compare") && request.has_flag("unified"))
      core::fail_request(
          "--compare shows the methods that it is given and --unified shows all: use one of them, for example attune "
          "explain --compare {}",
          request.words.size() < 2 ? "dpo ipo" : fmt::format("{}", fmt::join(request.words, " ")));
    if (request.has_flag("compare")) return compare(request, out);
    if (request.has_flag("unified")) return unified(request, out);
    if (request.words.size() > 1) {
      core::fail_request("explain takes one method, found '{}'; for several: attune explain --compare {}",
                         fmt::join(request.words, " "), fmt::join(request.words, " "));
    }
    const std::unique_ptr<Method> method = algorithm::make_method(named_method(request.words));
    if (wants_data(request, "explain " + method->info().name)) return explain_data(*method, out);
    if (!fixture_.empty()) return explain_file(*method, out);
    if (out.json()) {
      out.line(card_json(*method));
    } else {
      out.text(card_text(*method) + options_text(*method) + worked_example_text(*method));
    }
    return 0;
  }

 private:
  /// The settings of make_method: the word, the option `method`, or both (options of the word's method).
  core::Value named_method(const std::vector<std::string>& words) const {
    if (words.empty()) {
      if (method_.is_null()) core::fail_request("explain which method? For example: attune explain dpo");
      refuse_sum(method_);
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
    refuse_sum(settings);
    return settings;
  }

  /// Several methods at once, which `train` adds up.
  static void refuse_sum(const core::Value& setting) {
    const core::Value apart = training::losses_apart(setting);
    if (!apart.is_list()) return;
    std::vector<std::string> names;
    for (core::Value entry : apart.items()) {
      if (entry.is_map())
        std::erase_if(entry.entries(),
                      [](const auto& e) { return e.first == "weight" || e.first == "data"; });
      names.push_back(algorithm::make_method(entry)->info().name);
    }
    if (names.size() < 2) return;
    core::fail_request(
        "{}: a sum of losses is explained one by one, as attune explain {}, or side by side: attune explain "
        "--compare {}",
        setting.place(), names.front(), fmt::join(names, " "));
  }

  static void refuse(const Request& request, const std::string& flag, std::vector<const char*> keys) {
    for (const char* key : keys)
      if (request.settings.find(key) != nullptr)
        core::fail_request("{} has its own example and takes no {}=", flag, key);
  }

  int unified(const Request& request, Output& out) const {
    refuse(request, "--unified", {"method", "fixture"});
    if (!request.words.empty())
      core::fail_request("--unified shows every method; for some of them: attune explain --compare {}",
                         fmt::join(request.words, " "));
    const MethodList methods = all_methods();
    if (wants_data(request, "--unified")) return unified_record(request, methods, out);
    if (out.json()) {
      out.line(unified_json(methods));
    } else {
      out.text(unified_text(methods));
    }
    return 0;
  }

  int unified_record(const Request& request, const MethodList& methods, Output& out) const {
    constexpr std::size_t kColumns = 6;  // of each answer, where nothing is said
    const core::Json view = unified_record_json(methods, data_);
    if (out.json()) {
      out.line(view);
    } else {
      const bool asked = request.settings.find("tokens") != nullptr;
      out.text(unified_record_text(view, asked ? static_cast<std::size_t>(data_.tokens) : kColumns));
    }
    return 0;
  }

  int compare(const Request& request, Output& out) const {
    const std::vector<std::string>& words = request.words;
    refuse(request, "--compare", {"method", "fixture", "model", "data"});
    if (words.size() < 2)
      core::fail_request("--compare takes two or more methods: attune explain --compare dpo ipo");
    MethodList methods;
    for (const std::string& word : words) {
      methods.push_back(
          algorithm::make_method(core::Value::scalar(word, true, fmt::format("argument '{}'", word))));
      const std::string name = methods.back()->info().name;
      const auto same = [&](const auto& method) { return method->info().name == name; };
      if (std::ranges::count_if(methods, same) > 1)
        core::fail_request("argument '{}': --compare is given {} twice; name different methods", word, name);
    }
    if (!out.json()) {
      out.text(compare_text(methods));
    } else {
      for (const auto& method : methods) out.line(card_json(*method));
      out.line(unified_json(methods));
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

  /// Whether a real record is asked for. @throws Error{kRequest} when half of what that takes is missing.
  bool wants_data(const Request& request, const std::string& asked) const {
    const bool model = !data_.model.path.empty(), data = data_.data.given();
    if (!model && request.settings.find("model") != nullptr)
      core::fail_request("{}: model.path is missing: model=FOLDER", asked);
    if (model != data)
      core::fail_request("{}: model= and data= go together; {} is missing", asked,
                         model ? "data=FILE" : "model=FOLDER");
    if (model && !fixture_.empty())
      core::fail_request("{}: give fixture= or model= and data=, not both", asked);
    for (const char* key : kOfRealRecords)
      if (!model && request.settings.find(key) != nullptr)
        core::fail_request("{}: {}= goes with model= and data=", asked, key);
    return model;
  }

  /// A real record of the data, token by token, computed by the engine that trains.
  int explain_data(Method& method, Output& out) const {
    const RealStep step = real_step(method, data_);
    if (out.json()) {
      out.line(step.result);
    } else {
      out.text(card_text(method) + options_text(method) +
               real_step_text(step, data_.tokens, stdout_has_colour()));
    }
    return 0;
  }

  core::Value method_;
  RealStepOptions data_;
  std::string fixture_;
};

}  // namespace

std::unique_ptr<Command> command_explain() { return std::make_unique<Explain>(); }

}  // namespace attune::cli
