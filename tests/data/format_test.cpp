#include "data/format.h"

#include "tests/data/support.h"

namespace attune::data {
namespace {

using support::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// The row's format as recognised, and the example that it reads.
record::Example read(const std::string& row, const std::string& expected_format) {
  const auto parsed = json(row);
  const Format& format = recognise(parsed, "test");
  EXPECT_EQ(format.info().name, expected_format);
  auto result = format.read(parsed);
  EXPECT_TRUE(result.ok()) << (result.ok() ? "" : result.error().reason + ": " + result.error().detail);
  return result.ok() ? result.value() : record::Example();
}

std::string malformed(const std::string& row, const std::string& format) {
  const auto result = format_named(format).read(json(row));
  EXPECT_FALSE(result.ok());
  return result.ok() ? "" : result.error().reason + ": " + result.error().detail;
}

TEST(Formats, EveryFormatKnowsItself) {
  for (const auto& [file, make] : format_entries()) {
    const auto info = make()->info();
    EXPECT_EQ(info.name, file);
    EXPECT_FALSE(info.summary.empty() || info.columns.empty());
    EXPECT_EQ(&format_named(info.name), make());
  }
  EXPECT_THAT(support::request_error([] { format_named("preferance"); }), HasSubstr("preference"));
}

TEST(Formats, ADoubleUsesAllOfTheirSeam) {
  const auto example =
      read(R"({"id":"x","prompt":"p","completion":{"yes":3,"no":1},"zz":0.5,"topic":"t"})", "zz_format");
  EXPECT_EQ(example.id, "x");
  EXPECT_EQ(example.prompt, "p");
  ASSERT_EQ(example.candidates.size(), 2U);
  EXPECT_EQ(example.candidates[0].completion, "yes");
  EXPECT_EQ(example.candidates[0].reward, 1.5);
  EXPECT_EQ(example.candidates[1].annotator, "voters");
  EXPECT_EQ(example.meta, json(R"({"topic":"t"})"));
  // Without its own column the row is another format's, which goes before those of lower priority only.
  read(R"({"prompt":"p","completion":"c"})", "prompt_completion");
  EXPECT_THAT(malformed(R"({"prompt":"p","completion":"c","zz":1})", "zz_format"),
              HasSubstr("no map of answers"));
  EXPECT_THAT(malformed(R"({"prompt":"p","completion":{"yes":"3"},"zz":1})", "zz_format"),
              HasSubstr("votes for \"yes\""));
}

TEST(Formats, NativeReadsEveryFieldAndWritesItBack) {
  // The native record with all optional fields.
  const std::string row =
      R"({"id":"hh-17","prompt":"text","candidates":[{"completion":"ab","steps":["a","b"],"rank":0,"label":true,"reward":1.5,)"
      R"("margin":0.25,"preference":0.75,"weight":2.0,"step_scores":[0.2,0.9],"scores":{"help":3.0},)"
      R"("source":"human","annotator":"x","finish_reason":"stop","logps":[-1.2,-0.3],"sampling_logps":[-1.0,-0.5]}],)"
      R"("reference_answer":"42","tools":[{"name":"f"}],"meta":{"topic":"t"}})";
  const record::Example example = read(row, "native");
  EXPECT_EQ(core::to_line(to_json(example)), row);
  EXPECT_EQ(example.candidates[0].label, true);
  EXPECT_THAT(example.candidates[0].step_scores, ElementsAre(0.2, 0.9));
}

TEST(Formats, NativeKeepsOtherColumnsInMeta) {
  const record::Example example =
      read(R"({"prompt":"p","candidates":[],"extra":7,"meta":{"a":1}})", "native");
  EXPECT_EQ(example.meta, json(R"({"a":1,"extra":7})"));
}

TEST(Formats, NativeWithIds) {
  const record::Example example = read(
      R"({"prompt_ids":[1,2],"candidates":[{"completion_ids":[3,4],"completion_mask":[0,1]}]})", "native");
  EXPECT_THAT(*example.prompt_ids, ElementsAre(1, 2));
  EXPECT_THAT(example.candidates[0].completion_mask, ElementsAre(0, 1));
  EXPECT_THAT(malformed(R"({"candidates":[{"completion_ids":[3,-4]}]})", "native"),
              HasSubstr("completion_ids[1]"));
  EXPECT_THAT(malformed(R"({"candidates":[{"completion_ids":[3],"completion_mask":[0,1]}]})", "native"),
              HasSubstr("2 entries of \"completion_mask\" for 1"));
}

TEST(Formats, NativeNamesWhatIsWrong) {
  EXPECT_THAT(malformed(R"({"candidates":[{"rank":0}]})", "native"), HasSubstr("completion"));
  EXPECT_THAT(malformed(R"({"candidates":[{"completion":"a","rank":"first"}]})", "native"),
              HasSubstr("\"candidates[0].rank\" must be a number, found the string \"first\""));
  EXPECT_THAT(malformed(R"({"candidates":{"completion":"a"}})", "native"), HasSubstr("must be a list"));
  EXPECT_THAT(malformed(R"({"candidates":["a"]})", "native"), HasSubstr("candidates[0] must be an object"));
  EXPECT_THAT(malformed(R"({"candidates":[{"completion":7}]})", "native"),
              HasSubstr("text or a list of messages"));
  EXPECT_THAT(malformed(R"({"candidates":[{"completion":"abc","steps":["a","b"]}]})", "native"),
              HasSubstr("join"));
}

TEST(Formats, LanguageModelling) {
  EXPECT_TRUE(read(R"({"text":"hello"})", "language_modelling").language_modelling);
  const record::Example chat = read(R"({"messages":[{"role":"user","content":"hi"}]})", "language_modelling");
  EXPECT_EQ(chat.candidates[0].completion[0]["content"], "hi");
  EXPECT_TRUE(chat.prompt.is_null());
  EXPECT_THAT(malformed(R"({"messages":[{"content":"x"}]})", "language_modelling"), HasSubstr("messages[0]"));
}

TEST(Formats, PromptCompletionAndPromptOnly) {
  EXPECT_EQ(read(R"({"prompt":"a","completion":"b","topic":"t"})", "prompt_completion").meta,
            json(R"({"topic":"t"})"));
  EXPECT_TRUE(read(R"({"prompt":"a"})", "prompt_only").candidates.empty());
  EXPECT_THAT(malformed(R"({"prompt":"a"})", "prompt_completion"),
              HasSubstr("column missing: \"completion\""));
  EXPECT_THAT(malformed(R"({"prompt":5,"completion":"b"})", "prompt_completion"),
              HasSubstr("wrong type: \"prompt\""));
}

TEST(Formats, ExplicitPreferenceWithScores) {
  const record::Example example = read(
      R"({"prompt":"p","chosen":"good","rejected":"bad","score_chosen":9,"score_rejected":2.5,"margin":6.5})",
      "preference");
  EXPECT_EQ(example.candidates[0].rank, 0);
  EXPECT_EQ(example.candidates[1].rank, 1);
  EXPECT_EQ(example.candidates[0].reward, 9);
  EXPECT_EQ(example.candidates[1].reward, 2.5);
  EXPECT_EQ(example.candidates[0].margin, 6.5);
}

TEST(Formats, UltraFeedbackTakesThePromptFromTheConversations) {
  const record::Example example =
      read(R"({"prompt":"q","chosen":[{"role":"user","content":"q"},{"role":"assistant","content":"a"}],)"
           R"("rejected":[{"role":"user","content":"q"},{"role":"assistant","content":"b"}]})",
           "preference");
  EXPECT_EQ(example.prompt, json(R"([{"role":"user","content":"q"}])"));
  EXPECT_EQ(example.candidates[1].completion, json(R"([{"role":"assistant","content":"b"}])"));
}

TEST(Formats, ImplicitPromptOfTextsIsCutAsTrlCuts) {
  // TRL's extract_prompt docstring: the common beginning less one trailing space.
  const record::Example sky =
      read(R"({"chosen":"The sky is blue.","rejected":"The sky is green."})", "implicit_preference");
  EXPECT_EQ(sky.prompt, "The sky is");
  EXPECT_EQ(sky.candidates[0].completion, " blue.");
  EXPECT_EQ(sky.candidates[1].completion, " green.");
  // Inside a word; and never inside a character (é is C3 A9, è is C3 A8).
  EXPECT_EQ(read(R"({"chosen":"grey","rejected":"gray"})", "implicit_preference").prompt, "gr");
  EXPECT_EQ(read(R"({"chosen":"xé","rejected":"xè"})", "implicit_preference").prompt, "x");
}

TEST(Formats, ImplicitPromptOfConversationsIsTheCommonMessages) {
  const record::Example example =
      read(R"({"chosen":[{"role":"user","content":"q"},{"role":"assistant","content":"a"}],)"
           R"("rejected":[{"role":"user","content":"q"},{"role":"assistant","content":"b"}]})",
           "implicit_preference");
  EXPECT_EQ(example.prompt, json(R"([{"role":"user","content":"q"}])"));
  EXPECT_EQ(example.candidates[0].completion, json(R"([{"role":"assistant","content":"a"}])"));
  EXPECT_THAT(
      malformed(R"({"chosen":"a","rejected":[{"role":"user","content":"q"}]})", "implicit_preference"),
      HasSubstr("must both"));
}

TEST(Formats, TranscriptsAreCutAtTheLastCommonAssistantTurn) {
  // The completions share "I think" but the turn is what is judged, so the cut is at the marker.
  const record::Example example =
      read(R"({"chosen":"\n\nHuman: a\n\nAssistant: b\n\nHuman: c\n\nAssistant: I think yes",)"
           R"("rejected":"\n\nHuman: a\n\nAssistant: b\n\nHuman: c\n\nAssistant: I think no"})",
           "hh_rlhf");
  EXPECT_EQ(example.prompt, "\n\nHuman: a\n\nAssistant: b\n\nHuman: c\n\nAssistant:");
  EXPECT_EQ(example.candidates[0].completion, " I think yes");
  EXPECT_EQ(example.candidates[1].completion, " I think no");
}

TEST(Formats, UnpairedPreference) {
  EXPECT_EQ(
      read(R"({"prompt":"p","completion":"c","label":false})", "unpaired_preference").candidates[0].label,
      false);
  const record::Example kto =
      read(R"({"messages":[{"role":"user","content":"q"},{"role":"assistant","content":"a"}],"label":true})",
           "unpaired_preference");
  EXPECT_EQ(kto.prompt, json(R"([{"role":"user","content":"q"}])"));
  EXPECT_EQ(kto.candidates[0].completion, json(R"([{"role":"assistant","content":"a"}])"));
  EXPECT_THAT(malformed(R"({"prompt":"p","completion":"c","label":"yes"})", "unpaired_preference"),
              HasSubstr("\"label\" must be true or false"));
  // A label that is no verdict leaves the row a demonstration.
  read(R"({"prompt":"p","completion":"c","label":"sports"})", "prompt_completion");
}

TEST(Formats, StepwiseEndsEveryStepInALine) {
  const record::Example example =
      read(R"({"prompt":"p","completions":["s1","s2"],"labels":[true,false]})", "stepwise");
  EXPECT_EQ(example.candidates[0].completion, "s1\ns2\n");
  EXPECT_THAT(example.candidates[0].step_scores, ElementsAre(1, 0));
  EXPECT_THAT(malformed(R"({"prompt":"p","completions":["s1"],"labels":[true,false]})", "stepwise"),
              HasSubstr("2 \"labels\" for 1"));
}

TEST(Formats, RankedLists) {
  const record::Example example =
      read(R"({"prompt":"p","responses":["a","b","c"],"scores":[1,3.5,2]})", "ranked");
  EXPECT_EQ(example.candidates.size(), 3U);
  EXPECT_EQ(example.candidates[1].reward, 3.5);
  EXPECT_EQ(read(R"({"prompt":"p","responses":["a","b"],"ranks":[1,0]})", "ranked").candidates[0].rank, 1);
  EXPECT_THAT(malformed(R"({"prompt":"p","responses":["a","b"],"ranks":[1]})", "ranked"),
              HasSubstr("1 scores"));
}

TEST(Formats, LabelLogs) {
  const auto ranks = [](const std::string& verdict) {
    const record::Example e =
        read(R"({"prompt":"p","response_a":"x","response_b":"y",)" + verdict + "}", "label_log");
    return std::pair(*e.candidates[0].rank, *e.candidates[1].rank);
  };
  EXPECT_EQ(ranks(R"("preference":"a")"), std::pair(0.0, 1.0));
  EXPECT_EQ(ranks(R"("winner":"model_b")"), std::pair(1.0, 0.0));
  EXPECT_EQ(ranks(R"("winner":"tie")"), std::pair(0.0, 0.0));
  EXPECT_EQ(ranks(R"("preference":0.8)"), std::pair(0.0, 1.0));
  const record::Example soft =
      read(R"({"prompt":"p","response_a":"x","response_b":"y","preference":0.75})", "label_log");
  EXPECT_EQ(soft.candidates[0].preference, 0.75);
  EXPECT_EQ(soft.candidates[1].preference, 0.25);
  EXPECT_THAT(malformed(R"({"prompt":"p","response_a":"x","response_b":"y","winner":"z"})", "label_log"),
              HasSubstr("a, b or tie"));
}

TEST(Formats, MessagesNeedContent) {
  const auto problem = [](const std::string& message, bool one = false) {
    const auto read =
        format_named("prompt_only").read(json(R"({"prompt":)" + (one ? message : "[" + message + "]") + "}"));
    return read.ok() ? "" : read.error().reason + ": " + read.error().detail;
  };
  for (const char* good :
       {R"({"role":"user","content":""})", R"({"role":"user","content":[{"type":"text","text":"a"}]})",
        R"({"role":"assistant","content":null,"tool_calls":[{"function":{"name":"f"}}]})",
        R"({"role":"assistant","tool_calls":[{"function":{"name":"f"}}]})",
        R"({"from":"human","value":"a"})"})
    EXPECT_EQ(problem(good), "") << good;
  // OpenAssistant's trees: the prompt is one object with a role, its text elsewhere.
  EXPECT_THAT(
      problem(R"({"message_id":"x","text":"hi","role":"prompter"})", true),
      AllOf(HasSubstr("without content"), HasSubstr("\"prompt\""), HasSubstr("message_id, text, role")));
  EXPECT_THAT(problem(R"({"role":"user","content":"a"},{"role":"user"})"), HasSubstr("\"prompt[1]\""));
  EXPECT_THAT(problem(R"({"role":"assistant","content":null})"), HasSubstr("without content"));
  EXPECT_THAT(problem(R"({"role":"user","content":3})"), HasSubstr("prompt[0].content"));
  EXPECT_THAT(problem(R"({"role":"user","content":3})", true), HasSubstr("prompt.content"));
}

TEST(Formats, Alpaca) {
  const record::Example example = read(
      R"({"instruction":"do","input":"this","output":"done","system":"s","history":[["q","a"]]})", "alpaca");
  EXPECT_EQ(example.prompt,
            json(R"([{"role":"system","content":"s"},{"role":"user","content":"q"},)"
                 R"({"role":"assistant","content":"a"},{"role":"user","content":"do\nthis"}])"));
  EXPECT_EQ(example.candidates[0].completion, json(R"([{"role":"assistant","content":"done"}])"));
  EXPECT_EQ(read(R"({"instruction":"do","context":"","response":"ok","category":"qa"})", "alpaca").prompt,
            json(R"([{"role":"user","content":"do"}])"));
  // Stanford Alpaca's prompts, word for word; earlier turns and the system text as LLaMA-Factory's.
  EXPECT_EQ(example.plain_prompt,
            "s\n\n### Instruction:\nq\n\n### Response:\na\n\n"
            "### Instruction:\ndo\n\n### Input:\nthis\n\n### Response:\n");
  EXPECT_EQ(
      read(R"({"instruction":"do","output":"ok"})", "alpaca").plain_prompt,
      "Below is an instruction that describes a task. Write a response that appropriately completes the "
      "request.\n\n### Instruction:\ndo\n\n### Response:\n");
  EXPECT_EQ(
      read(R"({"instruction":"do","context":"c","response":"ok"})", "alpaca").plain_prompt,
      "Below is an instruction that describes a task, paired with an input that provides further context. "
      "Write a response that appropriately completes the request.\n\n### Instruction:\ndo\n\n"
      "### Input:\nc\n\n### Response:\n");
}

TEST(Formats, ShareGptAndLlamaFactoryPairs) {
  const record::Example chat =
      read(R"({"conversations":[{"from":"human","value":"q"},{"from":"gpt","value":"a"}]})", "sharegpt");
  EXPECT_TRUE(chat.language_modelling);
  EXPECT_EQ(chat.candidates[0].completion,
            json(R"([{"role":"user","content":"q"},{"role":"assistant","content":"a"}])"));
  const record::Example pair =
      read(R"({"conversations":[{"from":"human","value":"q"}],"chosen":{"from":"gpt","value":"a"},)"
           R"("rejected":{"from":"gpt","value":"b"}})",
           "sharegpt");
  EXPECT_EQ(pair.prompt, json(R"([{"role":"user","content":"q"}])"));
  EXPECT_EQ(pair.candidates[1].completion, json(R"([{"role":"assistant","content":"b"}])"));
  EXPECT_EQ(pair.candidates[1].rank, 1);
  const record::Example call = read(
      R"({"conversations":[{"from":"human","value":"q"},{"from":"function_call","value":"{\"name\":\"f\",\"arguments\":{}}"},)"
      R"({"from":"observation","value":"7"},{"from":"gpt","value":"a"}]})",
      "sharegpt");
  EXPECT_EQ(call.candidates[0].completion[1]["tool_calls"][0]["function"]["name"], "f");
  EXPECT_EQ(call.candidates[0].completion[2]["role"], "tool");
}

TEST(Formats, UnknownColumnsAreNamedWithTheKnownFormats) {
  const auto message =
      support::request_error([] { recognise(json(R"({"question":"a","answer":"b"})"), "f.jsonl:1"); });
  EXPECT_THAT(message, HasSubstr("f.jsonl:1"));
  EXPECT_THAT(message, HasSubstr("question, answer"));
  EXPECT_THAT(message, HasSubstr("preference: prompt, chosen, rejected"));
}

TEST(Formats, LlamaFactoryDemoFilesAreRecognised) {
  const std::string folder = std::string(ATTUNE_SOURCE) + "/../shared/data/llamafactory-demo/";
  if (!core::fs::exists(folder)) GTEST_SKIP() << "needs the shared data folder beside the repository";
  const auto pairs = support::read_all(support::options_for(folder + "dpo_en_demo.json"));
  EXPECT_EQ(pairs.size(), 240U);
  EXPECT_EQ(pairs[0].candidates.size(), 2U);
  const auto labels = support::read_all(support::options_for(folder + "kto_en_demo.json"));
  EXPECT_EQ(labels.size(), 240U);
  EXPECT_TRUE(labels[0].candidates[0].label.has_value());
}

}  // namespace
}  // namespace attune::data
