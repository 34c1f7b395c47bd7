// The reward-program protocol, with small Python programs.
#include <gmock/gmock.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>

#include "core/config/value.h"
#include "feedback/rule.h"

namespace attune::feedback {
namespace {

using core::Json;

/// Reads records, answers with the length of the completion.
constexpr const char* kEcho = R"(
import json, sys
for line in sys.stdin:
    r = json.loads(line)
    print(json.dumps({"id": r["id"], "reward": len(r["completion"]), "metrics": {"double": 2 * len(r["completion"])}}), flush=True)
)";

std::unique_ptr<Rule> rule_of(const std::string& yaml) {
  return std::move(make_rules(core::parse_yaml(yaml, "test.yaml")).at(0).rule);
}

RuleInput input_of(const std::string& id, Json prompt, Json completion, const std::string& reference = "") {
  RuleInput input;
  input.id = id;
  input.prompt = std::move(prompt);
  input.completion = std::move(completion);
  input.reference_answer = reference;
  return input;
}

class CommandRuleTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() / ("attune_command_" + std::to_string(getpid()));
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string script(const std::string& body) {
    const std::string path = (folder_ / ("program" + std::to_string(count_++) + ".py")).string();
    std::ofstream(path) << body;
    return path;
  }
  std::unique_ptr<Rule> command(const std::string& body, const std::string& more = "") {
    return rule_of("{name: command, argv: [python3, " + script(body) + "]" + more + "}");
  }
  static std::vector<RuleInput> inputs(std::size_t count) {
    std::vector<RuleInput> result;
    for (std::size_t i = 0; i < count; ++i) {
      result.push_back(input_of("same", "p", std::string(i, 'x'), "ref"));
    }
    return result;
  }
  /// Runs it on two inputs; the message of the error it must end in.
  std::string failure(const std::string& body, int exit_code = 1, const std::string& more = "") {
    try {
      command(body, more)->score(inputs(2));
    } catch (const core::Error& error) {
      EXPECT_EQ(error.exit_code(), exit_code);
      return error.what();
    }
    ADD_FAILURE() << "no error";
    return "";
  }

  std::filesystem::path folder_;
  int count_ = 0;
};

TEST_F(CommandRuleTest, ScoresInOrderWithMetrics) {
  const auto rule = command(kEcho, ", batch_size: 3");
  for (int call = 0; call < 2; ++call) {
    const auto scores = rule->score(inputs(10));
    for (std::size_t i = 0; i < 10; ++i) {
      EXPECT_DOUBLE_EQ(scores[i].reward, static_cast<double>(i));
      EXPECT_DOUBLE_EQ(scores[i].metrics.at("double"), 2.0 * static_cast<double>(i));
    }
  }
}

TEST_F(CommandRuleTest, StartsOnceSendsWholeRecordsWithUniqueIdsAndTakesAnyOrder) {
  const auto rule = command(R"(
import json, sys
seen, held = set(), []
for line in sys.stdin:
    r = json.loads(line)
    assert set(r) == {"id", "prompt", "completion", "reference_answer", "meta"}, r
    assert r["id"] not in seen and r["reference_answer"] == "ref" and r["meta"] == {}
    seen.add(r["id"]); held.append(r)
    if len(held) == 4:
        for h in reversed(held):
            print(json.dumps({"id": h["id"], "reward": 10 * len(seen) + len(h["completion"])}), flush=True)
        held = []
)",
                            ", batch_size: 4");
  const auto first = rule->score(inputs(4)), second = rule->score(inputs(4));
  EXPECT_DOUBLE_EQ(first[3].reward, 43);   // 4 ids seen so far
  EXPECT_DOUBLE_EQ(second[3].reward, 83);  // 8: the same program
}

TEST_F(CommandRuleTest, MessagesForMessagePrompts) {
  const auto rule = command(R"(
import json, sys
for line in sys.stdin:
    r = json.loads(line)
    print(json.dumps({"id": r["id"], "reward": float(r["completion"] == [{"role": "assistant", "content": "hi"}])}), flush=True)
)");
  const std::vector<RuleInput> chat = {
      input_of("a", Json::array({{{"role", "user"}, {"content", "q"}}}), "hi")};
  EXPECT_DOUBLE_EQ(rule->score(chat)[0].reward, 1);
}

TEST_F(CommandRuleTest, LargeBatchesDoNotDeadlock) {
  // Answers are written while questions are still being sent: both pipes fill up unless both ends are served.
  const auto rule = command(kEcho, ", batch_size: 400");
  std::vector<RuleInput> many;
  for (int i = 0; i < 400; ++i)
    many.push_back(input_of("i", "p", std::string(5000, 'y'), std::string(5000, 'r')));
  EXPECT_DOUBLE_EQ(rule->score(many)[399].reward, 5000);
}

TEST_F(CommandRuleTest, Failures) {
  EXPECT_THAT(failure("import sys\nprint('trouble', file=sys.stderr)\nsys.exit(3)"),
              testing::AllOf(testing::HasSubstr("exited with code 3"), testing::HasSubstr("trouble")));
  EXPECT_THAT(failure("import os\nos.kill(os.getpid(), 9)"), testing::HasSubstr("signal 9"));
  EXPECT_THAT(failure("import sys, time\nsys.stdin.readline()\nprint('what?', flush=True)\ntime.sleep(9)"),
              testing::AllOf(testing::HasSubstr("not JSON"), testing::HasSubstr("what?")));
  EXPECT_THAT(failure("import time\nprint('{\"id\": \"z\", \"reward\": 1}', flush=True)\ntime.sleep(9)"),
              testing::HasSubstr("'z'"));
  EXPECT_THAT(failure("import os, time\nos.close(1)\ntime.sleep(9)"),
              testing::HasSubstr("closed its output"));
}

TEST_F(CommandRuleTest, BadRewards) {
  const std::string answer =
      "import json, sys\nfor line in sys.stdin:\n    i = json.loads(line)['id']\n    print('{\"id\": \"%s\"' "
      "% i + ";
  EXPECT_THAT(failure(answer + "'}', flush=True)"), testing::HasSubstr("no reward"));
  EXPECT_THAT(failure(answer + "', \"reward\": NaN}', flush=True)"), testing::HasSubstr("NaN"));
  EXPECT_THAT(failure(answer + "', \"reward\": null}', flush=True)"), testing::HasSubstr("no number"));
  EXPECT_THAT(failure(answer + "', \"reward\": \"1\"}', flush=True)"), testing::HasSubstr("no number"));
}

TEST_F(CommandRuleTest, TimeoutStopsTheProgram) {
  const auto start = std::chrono::steady_clock::now();
  EXPECT_THAT(failure("import time\ntime.sleep(60)", 1, ", timeout: 0.3"), testing::HasSubstr("0.3 s"));
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(10));
}

TEST(CommandRule, CannotBeStarted) {
  const auto rule = rule_of("{name: command, argv: [/no/such/program]}");
  const std::vector<RuleInput> one = {input_of("a", "p", "c")};
  try {
    rule->score(one);
    FAIL();
  } catch (const core::Error& error) {
    EXPECT_EQ(error.exit_code(), 2);
    EXPECT_THAT(error.what(), testing::HasSubstr("/no/such/program"));
  }
  EXPECT_THROW(rule_of("command"), core::Error);
}

}  // namespace
}  // namespace attune::feedback
