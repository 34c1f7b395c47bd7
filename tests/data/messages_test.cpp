// No message vanishes unseen: roles and calls that a template does not show, prompts that stand twice, system
// texts that nobody wrote.
#include "data/row_use.h"
#include "tests/data/support.h"

namespace attune::data {
namespace {

using support::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

/// Shows users and assistants, and nothing of others.
constexpr const char* kTwoRoles =
    "{% for m in messages %}{% if m.role in ['user', 'assistant'] %}<{{ m.role }}>{{ m.content | trim }}\n"
    "{% endif %}{% endfor %}";
/// Writes calls with `tojson`, as many templates do.
constexpr const char* kCalls =
    "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% for c in m.tool_calls or [] %}<call>{{ "
    "c.function.name }} "
    "{{ c.function.arguments | tojson }}</call>{% endfor %}\n{% endfor %}";
/// Qwen2.5's way.
constexpr const char* kDefaultSystem =
    "{% if messages[0].role != 'system' %}<|im_start|>system\nYou are Qwen, created by Alibaba Cloud. You "
    "are a helpful "
    "assistant.<|im_end|>\n{% endif %}{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content "
    "}}<|im_end|>\n{% endfor %}";

class Messages : public testing::Test {
 protected:
  std::vector<std::string> noticed(const std::string& source, const std::string& rows) {
    TextCodec codec = support::codec(folder_);
    codec.chat_template = text::ChatTemplate::from_source(source, "test", {});
    DataOptions options;
    options.path = folder_.write("rows.jsonl", rows);
    return Dataset::open(options, codec, RowUse::anything(), folder_.path("cache")).summary().noticed.texts();
  }
  core::Json read_one(const std::string& row) {
    return record::to_json(support::read_all(support::options_for(folder_.write("one.jsonl", row)))[0]);
  }
  support::TemporaryFolder folder_;
};

TEST_F(Messages, ARoleThatTheTemplateDoesNotShow) {
  const std::string quiet =
      R"({"messages":[{"role":"user","content":"Hi"},{"role":"assistant","content":"Yes"}]})";
  EXPECT_THAT(noticed(kTwoRoles, quiet), IsEmpty());
  const std::string system =
      R"({"messages":[{"role":"system","content":"Be kind"},{"role":"user","content":"Hi"},)"
      R"({"role":"assistant","content":"Yes"}]})";
  EXPECT_THAT(noticed(kTwoRoles, quiet + "\n" + system + "\n" + system),
              ElementsAre(AllOf(HasSubstr("role \"system\": 2 rows"), HasSubstr("rows.jsonl:2"))));
  // What it says stands elsewhere, too.
  EXPECT_THAT(
      noticed(kTwoRoles, R"({"messages":[{"role":"user","content":"Hi"},{"role":"tool","content":"Yes"},)"
                         R"({"role":"assistant","content":"Yes"}]})"),
      ElementsAre(HasSubstr("role \"tool\"")));
  EXPECT_THAT(
      noticed(
          kTwoRoles,
          R"({"prompt":[{"role":"system","content":"S"},{"role":"user","content":"Hi"}],)"
          R"("chosen":[{"role":"assistant","content":"a"}],"rejected":[{"role":"assistant","content":"b"}]})"),
      ElementsAre(HasSubstr("role \"system\"")));
}

TEST_F(Messages, ToolCallsThatTheTemplateDrops) {
  const auto row = [](const std::string& arguments) {
    return R"({"messages":[{"role":"user","content":"Hi"},{"role":"assistant","content":"","tool_calls":[{"type":"function",)"
           R"("function":{"name":"look","arguments":)" +
           arguments + R"(}}]},{"role":"user","content":"And?"},{"role":"assistant","content":"Yes"}]})";
  };
  EXPECT_THAT(noticed(kCalls, row(R"({"at":"sky"})")), IsEmpty());
  EXPECT_THAT(noticed(kTwoRoles, row(R"({"at":"sky"})")),
              ElementsAre(HasSubstr("leaves tool calls out: 1 row")));
  EXPECT_THAT(noticed(kCalls, row(R"("{\"at\":\"sky\"}")")), ElementsAre(HasSubstr("encodes once more")));
  const std::string tools =
      R"({"tools":[{"type":"function","function":{"name":"look","parameters":{}}}],)" + row("{}").substr(1);
  EXPECT_THAT(noticed(kCalls, tools), ElementsAre(HasSubstr("leaves the tools out: 1 row")));
  EXPECT_THAT(noticed(std::string("{{ tools | tojson }}") + kCalls, tools), IsEmpty());
}

TEST_F(Messages, ASystemTextThatNobodyWrote) {
  const std::string without =
      R"({"messages":[{"role":"user","content":"Hi"},{"role":"assistant","content":"Yes"}]})";
  const std::string with =
      R"({"messages":[{"role":"system","content":"Be kind"},{"role":"user","content":"Hi"},)"
      R"({"role":"assistant","content":"Yes"}]})";
  EXPECT_THAT(noticed(kDefaultSystem, with), IsEmpty());
  EXPECT_THAT(noticed(kDefaultSystem, with + "\n" + without),
              ElementsAre(AllOf(HasSubstr("You are Qwen"), HasSubstr("1 row"), HasSubstr("rows.jsonl:2"))));
}

TEST_F(Messages, APromptThatStandsAgainInTheCompletions) {
  const core::Json prompt = json(R"([{"role":"user","content":"Hi"}])");
  const core::Json yes = json(R"([{"role":"assistant","content":"Yes"}])");
  const std::string chosen =
      R"("chosen":[{"content":"Hi","role":"user"},{"role":"assistant","content":"Yes"}],)"
      R"("rejected":[{"role":"user","content":"Hi"},{"role":"assistant","content":"No"}]})";
  for (const std::string start : {R"({"prompt":[{"role":"user","content":"Hi"}],)", R"({"prompt":"Hi",)"}) {
    const core::Json row = read_one(start + chosen);
    EXPECT_EQ(row["prompt"][0]["content"], "Hi");
    EXPECT_EQ(row["prompt"].size(), 1U);
    EXPECT_EQ(row["candidates"][0]["completion"], yes);
    EXPECT_EQ(row["candidates"][1]["completion"].size(), 1U);
  }
  // Of a longer prompt only its end is repeated; a system message stands before the repetition.
  const core::Json end =
      read_one(R"({"prompt":[{"role":"system","content":"S"},{"role":"user","content":"Hi"}],)" + chosen);
  EXPECT_EQ(end["prompt"].size(), 2U);
  EXPECT_EQ(end["candidates"][0]["completion"], yes);
  const core::Json whole = read_one(
      R"({"prompt":[{"role":"user","content":"Hi"}],"completion":[{"role":"system","content":"S"},{"role":"user","content":"Hi"},)"
      R"({"role":"assistant","content":"Yes"}]})");
  EXPECT_EQ(whole["prompt"][0]["content"], "S");
  EXPECT_EQ(whole["candidates"][0]["completion"], yes);
  // A completion of several turns that begins with somebody else's is none.
  const core::Json turns = read_one(
      R"({"prompt":[{"role":"user","content":"Hi"}],"completion":[{"role":"user","content":"Hello?"},{"role":"assistant","content":"Yes"}]})");
  EXPECT_EQ(turns["candidates"][0]["completion"].size(), 2U);
  DataOptions options = support::options_for(folder_.write(
      "texts.jsonl",
      R"({"prompt":"Once upon a time","chosen":"Once upon a time a","rejected":"Once upon a time b"})"));
  ExampleReader reader(options);
  for (record::Example example; reader.next(example);)
    EXPECT_EQ(example.candidates[0].completion, "Once upon a time a");
  EXPECT_THAT(reader.summary().noticed.texts(), ElementsAre(HasSubstr("stands there twice: 1 row")));
}

TEST_F(Messages, APromptThatStandsAgainInSomeCompletions) {
  const core::Json row =
      read_one(R"({"prompt":[{"role":"user","content":"Hi "}],"chosen":[{"role":"user","content":"Hi"},)"
               R"({"role":"assistant","content":"A"}],"rejected":[{"role":"assistant","content":"B"}]})");
  EXPECT_EQ(row["candidates"][0]["completion"], json(R"([{"role":"assistant","content":"A"}])"));
  EXPECT_EQ(row["candidates"][1]["completion"], json(R"([{"role":"assistant","content":"B"}])"));
  const auto said = [&](const std::string& rows) {
    ExampleReader reader(support::options_for(folder_.write("some.jsonl", rows)));
    for (record::Example example; reader.next(example);) continue;
    return reader.summary().noticed.texts();
  };
  const char* const every = "every completion begins with the prompt";
  EXPECT_THAT(
      said(R"({"prompt":"The capital of France? ","chosen":"The capital of France?\nParis","rejected":)"
           R"("The capital of France?\nRome"})"),
      ElementsAre(HasSubstr(every)));
  EXPECT_THAT(said(R"({"prompt":"The capital of France?","chosen":"The capital of France? Paris","rejected":)"
                   R"("Rome"})"),
              ElementsAre(HasSubstr("some of the completions begin with the prompt")));
  EXPECT_THAT(said(R"({"prompt":"Q: x\n\nA:","chosen":"Q: x\n\nA: y","rejected":"Q: x\n\nA: z"})"),
              ElementsAre(HasSubstr(every)));
  EXPECT_THAT(said(R"({"prompt":[{"role":"user","content":"Once upon"}],"completion":[{"role":"assistant",)"
                   R"("content":"Once upon a time"}]})"),
              ElementsAre(HasSubstr(every)));
  EXPECT_THAT(said(R"({"prompt":"Hi","completion":"Hi there"})"), IsEmpty());
  EXPECT_THAT(said(R"({"prompt":"I saw","chosen":"I sawed","rejected":"I ran"})"), IsEmpty());
}

TEST_F(Messages, AnothersTurnThatIsTrainedOn) {
  const std::string row =
      R"({"prompt":[{"role":"user","content":"Hi there"}],"chosen":[{"role":"user","content":"Hi there!"},)"
      R"({"role":"assistant","content":"A"}],"rejected":[{"role":"user","content":"Hi there!"},)"
      R"({"role":"assistant","content":"B"}]})";
  EXPECT_THAT(noticed(kTwoRoles, row + "\n" + row),
              ElementsAre(HasSubstr("a turn of the role \"user\", which is trained on as well")));
  EXPECT_THAT(noticed(kTwoRoles, row + "\n" + row), ElementsAre(HasSubstr("2 rows, first")));
  EXPECT_THAT(noticed(kTwoRoles, R"({"messages":[{"role":"user","content":"Hi"},{"role":"assistant",)"
                                 R"("content":"A","weight":0}]})"),
              ElementsAre(HasSubstr("\"weight\" 0")));
}

TEST_F(Messages, ThoughtsThatTheTemplateLeavesOut) {
  const auto row = [](const std::string& answer) {
    return R"({"messages":[{"role":"user","content":"Hi"},{"role":"assistant",)" + answer + "}]}";
  };
  for (const std::string name : {"reasoning_content", "thinking", "reasoning"})
    EXPECT_THAT(noticed(kTwoRoles, row("\"content\":\"Yo\",\"" + name + "\":\"think hard\"")),
                ElementsAre(HasSubstr("leaves out what an answer thinks (\"" + name + "\"): 1 row")));
  const std::string forgets = "{% for m in messages %}{{ m.content.split('</think>')[-1] }}\n{% endfor %}";
  const std::string thinks = row(R"("content":"<think>a</think>Yes")");
  EXPECT_THAT(noticed(forgets, thinks), ElementsAre(HasSubstr("(\"<think>\")")));
  EXPECT_THAT(noticed(kTwoRoles, thinks), IsEmpty());
  EXPECT_THAT(noticed("{% for m in messages %}{{ m.content }}{{ m.reasoning_content }}{% endfor %}",
                      row(R"("content":"Yo","thinking":"think hard")")),
              IsEmpty());
  // Of the prompt's answers nothing is learned.
  EXPECT_THAT(noticed(forgets, R"({"prompt":[{"role":"user","content":"Hi"},{"role":"assistant","content":)"
                               R"("<think>a</think>Yes"},{"role":"user","content":"Hm"}],"completion":)"
                               R"([{"role":"assistant","content":"Yo"}]})"),
              IsEmpty());
  const std::string earlier =
      "{% for m in messages %}{% if loop.last %}{{ m.content }}{% else %}{{ m.content.split('</think>')[-1] "
      "}}{% endif %}{% endfor %}";
  EXPECT_THAT(noticed(earlier, R"({"messages":[{"role":"user","content":"Hi"},{"role":"assistant","content":)"
                               R"("<think>ab</think>Yes"},{"role":"user","content":"Hm"}]})"),
              ElementsAre(HasSubstr("data.turns=split trains on each answer with its thoughts")));
  // The other candidate of a pair is looked at, too.
  EXPECT_THAT(
      noticed(kTwoRoles, R"({"prompt":[{"role":"user","content":"Hi"}],"chosen":[{"role":"assistant",)"
                         R"("content":"A"}],"rejected":[{"role":"assistant","content":"B","reasoning":)"
                         R"("why"}]})"),
      ElementsAre(HasSubstr("\"reasoning\"")));
}

TEST_F(Messages, CallsInTheOldWay) {
  const std::string row =
      R"({"messages":[{"role":"user","content":"Hi"},{"role":"assistant","content":null,"function_call":)"
      R"({"name":"f","arguments":"{}"}},{"role":"assistant","content":"Yo"}]})";
  EXPECT_THAT(noticed("{% for m in messages %}{{ m.content or '' }}{% endfor %}", row),
              ElementsAre(HasSubstr("leaves \"function_call\" out")));
  EXPECT_THAT(noticed("{% for m in messages %}{{ m.content or m.function_call.name }}{% endfor %}", row),
              IsEmpty());
}

TEST_F(Messages, NamesOfShareGptUnderTheUsualKeys) {
  const core::Json usual = json(R"([{"role":"user","content":"Hi"},{"role":"assistant","content":"Yes"}])");
  for (const std::string row :
       {R"({"messages":[{"role":"human","content":"Hi"},{"role":"gpt","content":"Yes"}]})",
        R"({"messages":[{"role":"User","content":"Hi"},{"role":"ASSISTANT","content":"Yes"}]})",
        R"({"messages":[{"from":"human","content":"Hi"},{"from":"gpt","content":"Yes"}]})",
        R"({"Messages":[{"Role":"user","Content":"Hi"},{"Role":"assistant","Content":"Yes"}]})",
        R"({"conversations":[{"role":"human","value":"Hi"},{"role":"gpt","value":"Yes"}]})"})
    EXPECT_EQ(read_one(row)["candidates"][0]["completion"], usual) << row;
  EXPECT_EQ(
      read_one(
          R"({"messages":[{"role":"ipython","content":"7"}]})")["candidates"][0]["completion"][0]["role"],
      "ipython");
}

TEST_F(Messages, ARecordsOwnMetaStaysWhereItIs) {
  const core::Json beside = read_one(R"({"prompt":"a","meta":{"topic":"t"},"level":3})");
  EXPECT_EQ(beside["meta"], json(R"({"topic":"t"})"));
  EXPECT_EQ(beside["level"], 3);
  EXPECT_EQ(read_one(R"({"prompt":"a","completion":"b","meta":{"topic":"t"}})")["meta"],
            json(R"({"topic":"t"})"));
  EXPECT_EQ(read_one(R"({"prompt":"a","meta":"text"})")["meta"], "text");
  const core::Json both = read_one(R"({"prompt":"a","meta":{"topic":"t"},"topic":"u"})");
  EXPECT_EQ(both["meta"], json(R"({"topic":"t"})"));
  EXPECT_EQ(both["topic"], "u");
}

TEST_F(Messages, ColumnsThatNobodyReadsStandWhereTheyStood) {
  const core::Json row = json(
      R"({"id":"r","prompt":"a","candidates":[],"answer":"42","tags":["t"],"group":"g","meta":{"answer":"b"},)"
      R"("prompt_only":null})");
  const core::Json once = read_one(core::to_line(row));
  for (const auto& [name, value] : row.items()) EXPECT_EQ(once.value(name, core::Json()), value) << name;
  EXPECT_EQ(read_one(core::to_line(once)), once);
  const auto rules = support::read_all(support::options_for(folder_.path("one.jsonl")))[0];
  EXPECT_EQ(rules.meta["tags"], json(R"(["t"])"));  // rules read them beside the meta
}

}  // namespace
}  // namespace attune::data
