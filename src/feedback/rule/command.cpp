#include <algorithm>
#include <cmath>
#include <unordered_map>

#include "feedback/child_process.h"
#include "feedback/rule.h"

namespace attune::feedback {
namespace {

using core::Json;

/// A line for messages.
std::string shortened(const std::string& line) {
  return fmt::format("{:.200}{}", line, line.size() > 200 ? " …" : "");
}

/// A reward program of the user's: JSON Lines in, JSON Lines out.
class CommandRule : public Rule {
 public:
  RuleInfo info() const override {
    return {"command",
            "Asks a program of yours: one JSON line per candidate in, one line with its reward out.", ""};
  }
  core::Fields fields() override {
    core::Fields fields;
    fields.add("argv", argv_, "The program and its arguments, e.g. [python3, my_reward.py].")
        .alias("command");
    fields.add("timeout", timeout_, "Seconds to wait for an answer before the run stops.").positive();
    fields.add("batch_size", batch_size_, "Candidates sent before answers are awaited.").range(1, 1e6);
    return fields;
  }
  void check() const override {
    if (argv_.empty() || argv_[0].empty()) {
      core::fail_request("rule command: argv is empty; write e.g. argv: [python3, my_reward.py]");
    }
  }

  std::vector<RuleScore> score(std::span<const RuleInput> inputs) override {
    check();
    if (!child_) child_ = std::make_unique<ChildProcess>(argv_);
    std::vector<RuleScore> scores(inputs.size());
    const auto batch = static_cast<std::size_t>(batch_size_);
    for (std::size_t begin = 0; begin < inputs.size(); begin += batch) {
      const std::size_t count = std::min(batch, inputs.size() - begin);
      exchange(inputs.subspan(begin, count), std::span(scores).subspan(begin, count));
    }
    return scores;
  }

 private:
  void exchange(std::span<const RuleInput> inputs, std::span<RuleScore> scores) {
    std::unordered_map<std::string, std::size_t> waiting;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      const std::string id = fmt::format("{}#{}", inputs[i].id, sent_++);
      waiting.emplace(id, i);
      child_->write(question(id, inputs[i]));
    }
    std::string line;
    while (!waiting.empty()) {
      switch (child_->next_line(line, timeout_)) {
        case ChildProcess::Event::kLine:
          break;
        case ChildProcess::Event::kTimeout:
          fail(fmt::format("gave no answer within {} s ({} of {} open)", timeout_, waiting.size(),
                           inputs.size()));
        case ChildProcess::Event::kTooLong:
          fail("wrote a line of more than 16 MB");
        case ChildProcess::Event::kClosed:
          fail(fmt::format("closed its output with {} of {} answers missing; it {}", waiting.size(),
                           inputs.size(), child_->state()));
      }
      if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
      const Json answer = parsed(line);
      const auto at = waiting.find(answer["id"].get<std::string>());
      if (at == waiting.end()) {
        fail(fmt::format("answered for the id '{}', which is not open: {}", answer["id"].get<std::string>(),
                         shortened(line)));
      }
      scores[at->second] = score_of(answer, line);
      waiting.erase(at);
    }
  }

  static std::string question(const std::string& id, const RuleInput& input) {
    Json completion = input.completion;
    if (input.prompt.is_array() && completion.is_string()) {
      completion = Json::array({{{"role", "assistant"}, {"content", completion}}});
    }
    const Json meta = input.meta.is_null() ? Json::object() : input.meta;
    return core::to_line({{"id", id},
                          {"prompt", input.prompt},
                          {"completion", completion},
                          {"reference_answer", input.reference_answer},
                          {"meta", meta}}) +
           "\n";
  }

  Json parsed(const std::string& line) {
    Json answer;
    std::string why;
    if (!core::try_parse_json(line, answer, why)) {
      fail(fmt::format("wrote a line that is not JSON: {} ({}); messages belong on standard error",
                       shortened(line), why));
    }
    if (!answer.is_object() || !answer.contains("id") || !answer["id"].is_string()) {
      fail(fmt::format("wrote a line without an id: {}", shortened(line)));
    }
    return answer;
  }

  RuleScore score_of(const Json& answer, const std::string& line) {
    const auto number = [&](const Json& value, const std::string& name) {
      if (!value.is_number() || !std::isfinite(value.get<double>())) {
        fail(fmt::format("gave no number as {}: {}", name, shortened(line)));
      }
      return value.get<double>();
    };
    if (!answer.contains("reward")) fail(fmt::format("gave no reward: {}", shortened(line)));
    RuleScore score;
    score.reward = number(answer["reward"], "reward");
    if (answer.contains("metrics") && !answer["metrics"].is_null()) {
      if (!answer["metrics"].is_object())
        fail(fmt::format("gave metrics that are no object: {}", shortened(line)));
      for (const auto& [name, value] : answer["metrics"].items()) {
        score.metrics[name] = number(value, "metric " + name);
      }
    }
    return score;
  }

  [[noreturn]] void fail(const std::string& what) {
    const std::string output = child_->last_output();
    child_->give_up();
    child_.reset();
    core::fail_run("rule command: the program '{}' {}. Its last output:{}", fmt::join(argv_, " "), what,
                   output);
  }

  std::vector<std::string> argv_;
  double timeout_ = 60;
  std::int64_t batch_size_ = 64;
  std::unique_ptr<ChildProcess> child_;
  std::uint64_t sent_ = 0;
};

}  // namespace

std::unique_ptr<Rule> rule_command() { return std::make_unique<CommandRule>(); }

}  // namespace attune::feedback
