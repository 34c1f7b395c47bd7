// How texts end: why they did, and with one token.
#include "data/read_rows.h"
#include "record/finish_reason.h"
#include "tests/data/support.h"

namespace attune::data {
namespace {

using record::Ending;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(EndingWords, OfThoseWhoServeModels) {
  // OpenAI and vLLM, Anthropic, Gemini, Mistral, Cohere, llama.cpp, Text Generation Inference.
  for (const char* cut : {"length", "max_tokens", "model_context_window_exceeded", "MAX_TOKENS",
                          "FinishReason.MAX_TOKENS", "model_length", "ERROR_LIMIT", "limit", "LENGTH"})
    EXPECT_EQ(record::ending_of(cut), Ending::kLimit) << cut;
  for (const char* own : {"stop", "tool_calls", "end_turn", "stop_sequence", "tool_use", "STOP", "COMPLETE",
                          "eos", "word", "eos_token"})
    EXPECT_EQ(record::ending_of(own), Ending::kOwn) << own;
  for (const char* broken : {"content_filter", "abort", "SAFETY", "error", "USER_CANCEL"})
    EXPECT_EQ(record::ending_of(broken), Ending::kBrokenOff) << broken;
  EXPECT_EQ(record::ending_of("because"), Ending::kUnknown);
}

class Endings : public ::testing::Test {
 protected:
  /// The completions of the rows, one after another.
  std::vector<std::string> completions(const std::string& rows) {
    options_.path = folder_.write("rows.jsonl", rows);
    std::vector<std::string> found;
    cut_.clear();
    const auto keep = [&](const SourceRow&, const record::Example&, const CachedRow& row) {
      for (const auto& candidate : row.candidates) {
        found.push_back(codec_.tokenizer->decode(candidate.completion.ids));
        cut_.push_back(record::was_cut(candidate.said));
      }
    };
    noticed_ = read_rows(options_, codec_, RowUse::anything(), {keep}).noticed.texts();
    return found;
  }
  support::TemporaryFolder folder_;
  TextCodec codec_ = support::codec(folder_);
  DataOptions options_;
  std::vector<std::string> noticed_;
  std::vector<bool> cut_;
};

TEST_F(Endings, AreReadInEveryFormat) {
  EXPECT_THAT(
      completions(R"({"prompt":"p","candidates":[{"completion":"a","finish_reason":"max_tokens"},)"
                  R"({"completion":"b","finish_reason":"end_turn"},{"completion":"c","truncated":true}]})"),
      ElementsAre("a", "b</s>", "c"));
  EXPECT_THAT(cut_, ElementsAre(true, false, true));
  for (const std::string more : {"", R"(,"label":true)"})
    EXPECT_THAT(completions(R"({"prompt":"p","completion":"a","finish_reason":"length")" + more + "}"),
                ElementsAre("a"));
  EXPECT_THAT(completions(R"({"instruction":"p","output":"a","finish_reason":"stop"})").size(), 1U);
  EXPECT_THAT(completions(R"({"text":"ab","finish_reason":"MAX_TOKENS"})"), ElementsAre("ab"));
  const std::string pair = R"({"prompt":"p","chosen":"a","rejected":"b",)";
  EXPECT_THAT(completions(pair + R"("finish_reason_rejected":"length"})"), ElementsAre("a</s>", "b"));
  EXPECT_THAT(completions(pair + R"("chosen_finish_reason":"length","rejected_finish_reason":"stop"})"),
              ElementsAre("a", "b</s>"));
  EXPECT_THAT(completions(pair + R"("finish_reason":["length",null]})"), ElementsAre("a", "b</s>"));
  EXPECT_THAT(
      completions(
          R"({"prompt":"p","responses":["a","b"],"scores":[1,2],"finish_reasons":["stop","length"]})"),
      ElementsAre("a</s>", "b"));
  EXPECT_THAT(noticed_, IsEmpty());
}

TEST_F(Endings, ThatNobodyUnderstandsAreNamed) {
  completions(R"({"prompt":"p","completion":"a","finish_reason":"because"})");
  EXPECT_THAT(noticed_, ElementsAre(HasSubstr("\"because\" is not known")));
  completions(R"({"prompt":"p","chosen":"a","rejected":"b","finish_reason":"length"})");
  EXPECT_THAT(noticed_, ElementsAre(HasSubstr("does not say which completion")));
}

TEST_F(Endings, StandOnce) {
  EXPECT_THAT(completions(R"({"prompt":"p","completion":"a</s>"})"), ElementsAre("a</s>"));
  EXPECT_THAT(noticed_, IsEmpty());
  for (const std::string end : {"</s></s>", R"(</s>\n)", R"(</s>\n</s>)"}) {
    EXPECT_THAT(completions(R"({"prompt":"p","completion":"a )" + end + "\"}"), ElementsAre("a </s>"));
    EXPECT_THAT(noticed_, ElementsAre(HasSubstr("several end tokens, or in one with blanks behind")));
  }
  EXPECT_THAT(completions(R"({"text":"a</s>b</s></s>"})"), ElementsAre("a</s>b</s>"));
}

TEST_F(Endings, OfTheTemplateAndOfTheTextAreOne) {
  const std::string talk =
      R"({"prompt":[{"role":"user","content":"p"},{"role":"assistant","content":"x<|im_end|>"},)"
      R"({"role":"user","content":"q"}],"completion":[{"role":"assistant","content":"Yo<|im_end|>\n<|im_end|>"}]})";
  EXPECT_THAT(completions(talk), ElementsAre("Yo<|im_end|>\n"));
  EXPECT_THAT(
      noticed_,
      ElementsAre(HasSubstr("the token that the chat template puts behind it, which is read once: 1 row")));
  EXPECT_THAT(
      completions(R"({"messages":[{"role":"user","content":"p"},{"role":"assistant","content":"a>"}]})"),
      ElementsAre("<|im_start|>user\np<|im_end|>\n<|im_start|>assistant\na><|im_end|>\n"));
  EXPECT_THAT(noticed_, IsEmpty());
}

}  // namespace
}  // namespace attune::data
