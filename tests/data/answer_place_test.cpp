// Only the answer is trained on, however a template writes what stands before it.
#include "data/read_rows.h"
#include "tests/data/support.h"

namespace attune::data {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

/// Puts the system text before the question, where it is the last thing said, as Mistral's does.
constexpr const char* kMovesSystem =
    "{% set system = messages[0].content if messages[0].role == 'system' else '' %}{% for m in messages %}"
    "{% if m.role == 'user' %}[{{ system + ' ' if loop.last else '' }}{{ m.content }}]"
    "{% elif m.role == 'assistant' %}{{ m.content }};{% endif %}{% endfor %}";
/// Refuses conversations that nobody began, and brings a system text.
constexpr const char* kNeedsOne =
    "{% if messages[0]['role'] != 'system' %}(be nice){% endif %}{% for m in messages %}<{{ m.role }}>"
    "{{ m.content }};{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}";

class AnswerPlace : public ::testing::Test {
 protected:
  /// Prompt|trained of each candidate; what is not trained on in completions stands in parentheses.
  DatasetSummary read(const char* source, const std::string& rows) {
    codec_.chat_template = text::ChatTemplate::from_source(source, "test", {});
    options_.path = folder_.write("rows.jsonl", rows);
    rows_.clear();
    return read_rows(
        options_, codec_, RowUse::anything(),
        {[&](const SourceRow&, const record::Example&, const CachedRow& row) {
          for (const auto& candidate : row.candidates)
            rows_.push_back(codec_.tokenizer->decode(row.prompt) + "|" + shown(candidate.completion));
        }});
  }
  std::string shown(const TokenizedExample::Completion& completion) const {
    std::string text;
    for (std::size_t i = 0; i < completion.ids.size(); ++i) {
      const std::string token = codec_.tokenizer->decode(std::span(&completion.ids[i], 1));
      text += completion.mask[i] == 1 ? token : "(" + token + ")";
    }
    return text;
  }
  support::TemporaryFolder folder_;
  TextCodec codec_ = support::codec(folder_);
  DataOptions options_;
  std::vector<std::string> rows_;
};

constexpr const char* kSystem = R"({"role":"system","content":"S"})";

TEST_F(AnswerPlace, WhereTheSystemTextMoves) {
  const std::string prompt = std::string(R"({"prompt":[)") + kSystem + R"(,{"role":"user","content":"q"}],)";
  read(kMovesSystem, prompt + R"("chosen":[{"role":"assistant","content":"yes"}],"rejected":)"
                              R"([{"role":"assistant","content":"no"}]})");
  EXPECT_THAT(rows_, ElementsAre("[q]|yes;", "[q]|no;"));
  read(kMovesSystem, prompt + R"("completion":"yes"})");
  EXPECT_THAT(rows_, ElementsAre("[q]|yes;"));
  options_.assistant_only = true;
  read(kMovesSystem, std::string(R"({"messages":[)") + kSystem +
                         R"(,{"role":"user","content":"q"},{"role":"assistant","content":"yes"},)"
                         R"({"role":"user","content":"r"},{"role":"assistant","content":"no"}]})");
  EXPECT_THAT(rows_, ElementsAre("[q]|yes;", "[q]yes;[r]|no;"));
}

TEST_F(AnswerPlace, WhatIsLeftOfPromptsThatDifferIsNotTrainedOn) {
  read(kMovesSystem,
       std::string(R"({"prompt":[)") + kSystem +
           R"(,{"role":"user","content":"q"}],"chosen":[{"role":"assistant","content":"yes"}],)"
           R"("rejected":[{"role":"assistant","content":"no"},{"role":"user","content":"r"}]})");
  EXPECT_THAT(rows_, ElementsAre("[q]|yes;", "[q]|no;[S r]"));
  const char* const counts = "{{ messages | length }}{% for m in messages %}[{{ m.content }}]{% endfor %}";
  read(counts, R"({"prompt":[{"role":"user","content":"q"}],"chosen":[{"role":"assistant","content":"yes"}],)"
               R"("rejected":[{"role":"assistant","content":"no"},{"role":"assistant","content":"n"}]})");
  EXPECT_THAT(rows_, ElementsAre("|(2)([)(q)(])([)yes]", "|(3)([)(q)(])([)no][n]"));
}

TEST_F(AnswerPlace, WhereTheAssistantSpeaksFirst) {
  options_.assistant_only = true;
  const std::string row =
      R"({"messages":[{"role":"assistant","content":"Hello"},{"role":"user","content":"q"},)"
      R"({"role":"assistant","content":"ok"}]})";
  const auto summary = read(kNeedsOne, row);
  EXPECT_THAT(
      rows_, ElementsAre("(be nice)<assistant>|Hello;", "(be nice)<assistant>Hello;<user>q;<assistant>|ok;"));
  EXPECT_THAT(summary.dropped, IsEmpty());
  EXPECT_THAT(
      summary.feedback.derived,
      ElementsAre(Pair(HasSubstr("a row for each assistant turn, as the chat template refuses a part"), 1)));
}

TEST_F(AnswerPlace, AnAnswerThatIsNotShownIsNoRow) {
  const auto summary = read("{% if messages|length > 1 %}two{% else %}one{% endif %}",
                            R"({"prompt":[{"role":"user","content":"q"}],"completion":)"
                            R"([{"role":"assistant","content":"yes"}]})");
  EXPECT_THAT(summary.dropped,
              ElementsAre(Pair("the chat template does not show where the answer begins", 1)));
}

TEST_F(AnswerPlace, AnAnswerThatWasCutIsNotClosed) {
  const std::string row =
      R"({"prompt":[{"role":"user","content":"q"}],"completion":[{"role":"assistant","content":"yes and"}],)"
      R"("finish_reason":"max_tokens"})";
  read(kNeedsOne, row);
  EXPECT_THAT(rows_, ElementsAre("(be nice)<user>q;<assistant>|yes and"));
}

}  // namespace
}  // namespace attune::data
