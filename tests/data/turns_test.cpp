// Conversations as a row for each assistant turn.
#include "data/tokens/conversation/turns.h"

#include "data/read_rows.h"
#include "tests/data/support.h"

namespace attune::data {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

/// Leaves what was thought out of all turns but the last, as Qwen3 does; with blocks, as templates for TRL
/// do.
std::string forgetful(bool blocks) {
  return std::string("{% for m in messages %}[{{ m.role }}]{% if m.role == 'assistant' %}") +
         (blocks ? "{% generation %}" : "") +
         "{% if loop.last %}{{ m.content }}{% else %}{{ m.content.split('#')[-1] }}{% endif %};" +
         (blocks ? "{% endgeneration %}" : "") +
         "{% else %}{{ m.content }};{% endif %}{% endfor %}{% if add_generation_prompt %}[assistant]{% endif "
         "%}";
}

class Turns : public ::testing::Test {
 protected:
  DatasetSummary read(const std::string& rows, const RowUse& use = record::GroupShape::kDemonstrations) {
    options_.path = folder_.write("rows.jsonl", rows);
    return read_rows(options_, codec_, use,
                     {[&](const SourceRow&, const record::Example& example, const CachedRow& row) {
                       std::string text = codec_.tokenizer->decode(row.prompt) + "|";
                       for (const auto& candidate : row.candidates) {
                         std::vector<std::int32_t> trained;
                         for (std::size_t i = 0; i < candidate.completion.ids.size(); ++i)
                           if (candidate.completion.mask[i] == 1)
                             trained.push_back(candidate.completion.ids[i]);
                         text += codec_.tokenizer->decode(trained);
                       }
                       rows_.push_back(example.id + ": " + text);
                       indices_.push_back(row.index);
                     }});
  }
  void use_template(bool blocks) {
    codec_.chat_template = text::ChatTemplate::from_source(forgetful(blocks), "test", {});
  }
  support::TemporaryFolder folder_;
  TextCodec codec_ = support::codec(folder_);
  DataOptions options_;
  std::vector<std::string> rows_;
  std::vector<std::int64_t> indices_;
};

constexpr const char* kTwoTurns =
    R"({"messages":[{"role":"user","content":"q"},{"role":"assistant","content":"x#a"},)"
    R"({"role":"user","content":"r"},{"role":"assistant","content":"y#b"}]})"
    "\n";

TEST_F(Turns, AConversationWhoseHistoryIsRewrittenIsSplitByItself) {
  options_.assistant_only = true;
  for (const bool blocks : {false, true}) {
    use_template(blocks);
    rows_.clear();
    const auto summary =
        read(std::string(kTwoTurns) +
             R"({"messages":[{"role":"user","content":"q"},{"role":"assistant","content":"z"}]})");
    EXPECT_THAT(rows_, ElementsAre("0/turn-1: [user]q;[assistant]|x#a;",
                                   "0/turn-2: [user]q;[assistant]a;[user]r;[assistant]|y#b;",
                                   ::testing::HasSubstr("z;")));
    EXPECT_EQ(summary.rows_read, 2);
    EXPECT_EQ(summary.rows_kept, 3);
    EXPECT_THAT(summary.dropped, IsEmpty());
    EXPECT_THAT(summary.feedback.derived,
                ElementsAre(Pair("a row for each assistant turn, as the chat template writes earlier turns "
                                 "differently once others follow",
                                 1)));
  }
  EXPECT_THAT(indices_, ElementsAre(0, 0, 1, 0, 0, 1));
}

TEST_F(Turns, OthersStayWhole) {
  options_.assistant_only = true;
  const auto summary = read(kTwoTurns);  // the usual template keeps its history
  EXPECT_EQ(rows_.size(), 1U);
  EXPECT_THAT(summary.feedback.derived, IsEmpty());
}

TEST_F(Turns, WhatIsAskedForIsDone) {
  options_.turns = "split";
  read(kTwoTurns);
  EXPECT_EQ(rows_.size(), 2U);
  rows_.clear();
  use_template(false);
  options_.turns = "whole";
  options_.assistant_only = true;
  EXPECT_THAT(read(kTwoTurns).dropped, ElementsAre(Pair(text::kRewritesHistory, 1)));
  EXPECT_THAT(rows_, IsEmpty());
}

TEST_F(Turns, ACompletionOfSeveralTurnsIsSplitAfterItsPrompt) {
  options_.assistant_only = true;
  use_template(false);
  read(R"({"prompt":[{"role":"user","content":"q"}],"completion":[{"role":"assistant","content":"x#a"},)"
       R"({"role":"user","content":"r"},{"role":"assistant","content":"y#b"}]})");
  EXPECT_THAT(rows_, ElementsAre("0/turn-1: [user]q;[assistant]|x#a;",
                                 "0/turn-2: [user]q;[assistant]a;[user]r;[assistant]|y#b;"));
}

TEST_F(Turns, PromptsToSampleFromStayWhole) {
  options_.turns = "split";
  use_template(false);
  read(kTwoTurns, RowUse::prompts());
  EXPECT_THAT(rows_, ElementsAre("0: [user]q;[assistant]a;[user]r;[assistant]|"));
}

TEST_F(Turns, RowsThatCannotBeUsedAreShownWithTheirTokens) {
  options_.max_length = 3;
  const auto example = [](const char* row) {
    const auto parsed = support::json(row);
    return recognise(parsed, "test").read(parsed).value();
  };
  const auto cut = tokenize_unusable(example(R"({"prompt":"abcd","completion":"e"})"), codec_, options_);
  ASSERT_TRUE(cut);
  EXPECT_EQ(codec_.tokenizer->decode(cut->prompt), "abcd");
  EXPECT_EQ(codec_.tokenizer->decode(cut->completions[0].ids), "e</s>");
  EXPECT_THAT(cut->completions[0].mask, ElementsAre(0, 0));
  const auto empty = tokenize_unusable(example(R"({"prompt":"ab","completion":""})"), codec_, options_);
  ASSERT_TRUE(empty);
  EXPECT_EQ(codec_.tokenizer->decode(empty->prompt), "ab");
}

}  // namespace
}  // namespace attune::data
