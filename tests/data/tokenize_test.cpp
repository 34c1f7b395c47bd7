// Which ids a record becomes, and which of them are trained on. Expected ids are worked out by hand from
// the small tokenizer of support.h: a character c is id 4 + byte; "th" 260, "the" 261, " t" 262; </s> 1.
#include "data/rows/column/columns.h"
#include "tests/data/support.h"

namespace attune::data {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Ids = std::vector<std::int32_t>;

Ids bytes(std::string_view text) {
  Ids out;
  for (const char c : text) out.push_back(4 + static_cast<unsigned char>(c));
  return out;
}

Ids operator+(Ids a, const Ids& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

class Tokenize : public ::testing::Test {
 protected:
  TokenizedExample of(const std::string& row, bool training = true) {
    auto result = attempt(row, training);
    EXPECT_TRUE(result.ok()) << (result.ok() ? "" : result.error().reason);
    return result.ok() ? result.value() : TokenizedExample();
  }
  core::Result<TokenizedExample> attempt(const std::string& row, bool training = true) {
    const auto parsed = support::json(row);
    return tokenize_example(recognise(parsed, "test").read(parsed).value(), codec_, options_, training);
  }
  std::string reason(const std::string& row, bool training = true) {
    const auto result = attempt(row, training);
    return result.ok() ? "" : result.error().reason;
  }
  support::TemporaryFolder folder_;
  TextCodec codec_ = support::codec(folder_);
  DataOptions options_;
};

TEST_F(Tokenize, PlainPromptAndCompletionAreTokenisedJointly) {
  const auto out = of(R"({"prompt":"ab","completion":"cd"})");
  EXPECT_EQ(out.prompt, bytes("ab"));
  EXPECT_EQ(out.completions[0].ids, bytes("cd") + Ids{1});
  EXPECT_THAT(out.completions[0].mask, ElementsAre(1, 1, 1));
  EXPECT_FALSE(out.completions[0].straddles);
  EXPECT_EQ(out.rendered, "abcd</s>");
}

TEST_F(Tokenize, AStraddlingTokenBelongsToTheCompletion) {
  // "x t" alone is x, " t"; with "he" it is x, " ", "the".
  const auto out = of(R"({"prompt":"x t","completion":"he"})");
  EXPECT_EQ(out.prompt, bytes("x"));
  EXPECT_THAT(out.completions[0].ids, ElementsAre(36, 261, 1));
  EXPECT_TRUE(out.completions[0].straddles);
}

TEST_F(Tokenize, PairsShareTheShorterPromptAsInTrl) {
  // "he" straddles, "a" does not: TRL takes the smaller common prefix for both, so " t" counts as completion
  // of the second. Scoring keeps each completion's own prompt.
  const std::string row = R"({"prompt":"x t","chosen":"he","rejected":"a"})";
  const auto training = of(row);
  EXPECT_EQ(training.prompt, bytes("x"));
  EXPECT_EQ(training.completions[1].ids, (Ids{262, 101, 1}));
  EXPECT_THAT(training.completions[1].mask, Each(1));
  EXPECT_EQ(training.completions[1].prompt_tail, 0);
  options_.append_eos = false;
  const auto scoring = of(row, false);
  EXPECT_EQ(scoring.completions[1].ids, (Ids{262, 101}));
  EXPECT_THAT(scoring.completions[1].mask, ElementsAre(0, 1));
  EXPECT_EQ(scoring.completions[1].prompt_tail, 1);
  EXPECT_EQ(scoring.completions[0].prompt_tail, 0);
}

TEST_F(Tokenize, EndOfSequenceIsAppendedWhereItIsWanted) {
  EXPECT_EQ(of(R"({"prompt":"a","completion":"b"})", false).completions[0].ids, bytes("b") + Ids{1});
  EXPECT_EQ(of(R"({"prompt":"a","completion":"b</s>"})").completions[0].ids, bytes("b") + Ids{1});
  EXPECT_EQ(of(R"({"text":"ab"})").completions[0].ids, bytes("ab") + Ids{1});
  EXPECT_EQ(
      of(R"({"prompt":"a","candidates":[{"completion":"b","finish_reason":"length"}]})").completions[0].ids,
      bytes("b"));
  EXPECT_EQ(
      of(R"({"prompt":"a","candidates":[{"completion":"b","finish_reason":"stop"}]})").completions[0].ids,
      bytes("b") + Ids{1});
  options_.append_eos = false;
  EXPECT_EQ(of(R"({"prompt":"a","completion":"b"})").completions[0].ids, bytes("b"));
}

TEST_F(Tokenize, SpecialTokensOfTheTokenizerComeOnce) {
  codec_ = support::codec(folder_, true);
  EXPECT_EQ(of(R"({"prompt":"a","completion":"b"})").prompt, Ids{0} + bytes("a"));
  const auto text = of(R"({"text":"ab"})");
  EXPECT_TRUE(text.prompt.empty());
  EXPECT_EQ(text.completions[0].ids, Ids{0} + bytes("ab") + Ids{1});
}

TEST_F(Tokenize, GivenIdsAreUsedAsTheyAre) {
  const auto out =
      of(R"({"prompt_ids":[7,8],"candidates":[{"completion_ids":[9,10],"completion_mask":[0,1]}]})");
  EXPECT_THAT(out.prompt, ElementsAre(7, 8));
  EXPECT_THAT(out.completions[0].ids, ElementsAre(9, 10));
  EXPECT_THAT(out.completions[0].mask, ElementsAre(0, 1));
  // Ids beside texts win: what was sampled is never tokenised again.
  EXPECT_THAT(of(R"({"prompt":"a","candidates":[{"completion":"the","completion_ids":[120,260]}]})")
                  .completions[0]
                  .ids,
              ElementsAre(120, 260));
  // A text after prompt ids is a plain completion.
  EXPECT_EQ(of(R"({"prompt_ids":[7],"candidates":[{"completion":"ab"}]})").completions[0].ids,
            bytes("ab") + Ids{1});
  codec_.vocab_size = 10;
  EXPECT_EQ(reason(R"({"prompt_ids":[7],"candidates":[{"completion_ids":[10]}]})"),
            "token id outside the vocabulary");
}

TEST_F(Tokenize, IdsBeyondTheEmbeddingAreTheRowsProblemHoweverTheyCame) {
  codec_.vocab_size = 260;  // "th" and what follows it were added to the tokenizer alone
  const std::string outside = "token id outside the vocabulary";
  EXPECT_EQ(reason(R"({"prompt":"a","completion":"path"})"), outside);
  EXPECT_EQ(reason(R"({"prompt":"path","completion":"a"})"), outside);
  EXPECT_EQ(reason(R"({"text":"path"})"), outside);
  EXPECT_EQ(reason(R"({"messages":[{"role":"user","content":"path"},{"role":"assistant","content":"a"}]})"),
            outside);
  EXPECT_EQ(reason(R"({"prompt":"a","chosen":"b","rejected":"path"})"), outside);
  EXPECT_EQ(reason(R"({"prompt_ids":[7],"completion":"path"})"), outside);
  EXPECT_THAT(of(R"({"prompt":"a","completion":"b"})").completions[0].ids, testing::SizeIs(2));
}

TEST_F(Tokenize, IdsNeedNoTokenizer) {
  codec_ = TextCodec();
  EXPECT_THAT(of(R"({"prompt_ids":[7],"candidates":[{"completion_ids":[9]}]})").completions[0].ids,
              ElementsAre(9));
  EXPECT_THAT(support::request_error([&] { attempt(R"({"prompt":"a","completion":"b"})"); }),
              HasSubstr("tokenizer"));
}

TEST_F(Tokenize, MessagesGoThroughTheTemplate) {
  const auto out =
      of(R"({"prompt":[{"role":"user","content":"hi"}],"completion":[{"role":"assistant","content":"a"}]})");
  EXPECT_EQ(out.prompt, Ids{2} + bytes("user\nhi") + Ids{3} + bytes("\n") + Ids{2} + bytes("assistant\n"));
  EXPECT_EQ(out.completions[0].ids,
            bytes("a") + Ids{3} + bytes("\n"));  // no </s>: templates bring their own end
  EXPECT_EQ(out.rendered, "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\na<|im_end|>\n");
  // A text beside messages is the assistant's message; messages beside a text prompt answer the user.
  EXPECT_EQ(of(R"({"prompt":[{"role":"user","content":"hi"}],"completion":"a"})").completions[0].ids,
            out.completions[0].ids);
  EXPECT_EQ(of(R"({"prompt":"hi","completion":[{"role":"assistant","content":"a"}]})").prompt, out.prompt);
}

TEST_F(Tokenize, AnAssistantMessageAtTheEndOfThePromptIsContinued) {
  const auto out = of(
      R"({"prompt":[{"role":"user","content":"hi"},{"role":"assistant","content":"ab"}],"completion":"cd"})");
  EXPECT_EQ(out.prompt, Ids{2} + bytes("user\nhi") + Ids{3} + bytes("\n") + Ids{2} + bytes("assistant\nab"));
  EXPECT_EQ(out.completions[0].ids, bytes("cd") + Ids{3} + bytes("\n"));
}

TEST_F(Tokenize, ConversationsWithoutPromptAreTrainedWholeOrWhereTheAssistantSpeaks) {
  const std::string row =
      R"({"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":"a"}]})";
  EXPECT_THAT(of(row).completions[0].mask, Each(1));
  options_.assistant_only = true;
  const auto mask = of(row).completions[0].mask;
  // … "assistant\n" then a, <|im_end|> (inside the generation block), "\n" (outside).
  EXPECT_EQ(std::vector<std::uint8_t>(mask.end() - 4, mask.end()), (std::vector<std::uint8_t>{0, 1, 1, 0}));
  EXPECT_EQ(std::count(mask.begin(), mask.end(), 1), 2);
}

TEST_F(Tokenize, MessagesWithoutTemplateStopWithAClearMessage) {
  codec_.chat_template.reset();
  EXPECT_THAT(support::request_error([&] { attempt(R"({"messages":[{"role":"user","content":"hi"}]})"); }),
              HasSubstr("chat_template.jinja"));
}

TEST_F(Tokenize, WhatTheTemplateRefusesIsOneUnusableRow) {
  codec_.chat_template =
      text::ChatTemplate::from_source("{{ raise_exception('roles must alternate') }}", "strict", {});
  EXPECT_EQ(reason(R"({"messages":[{"role":"user","content":"hi"}]})"),
            "the chat template refused the messages");
}

TEST_F(Tokenize, UnusableRows) {
  EXPECT_EQ(reason(R"({"prompt":"a","completion":""})"), "empty completion");
  EXPECT_EQ(reason(R"({"prompt":"a","completion":[]})"), "empty completion");
  EXPECT_EQ(reason(R"({"prompt":"a","chosen":"b","rejected":""})"), "empty completion");
  EXPECT_EQ(reason(R"({"prompt_ids":[5],"candidates":[{"completion_ids":[]}]})"), "empty completion");
  EXPECT_EQ(reason(R"({"prompt_ids":[5],"candidates":[{"completion_ids":[6],"completion_mask":[0]}]})"),
            "no trained tokens");
  options_.append_eos = false;
  EXPECT_EQ(reason(R"({"text":"a"})"), "no trained tokens");  // its only token has no log-probability
  codec_.max_positions = 3;
  codec_.positions_end = true;
  EXPECT_EQ(reason(R"({"prompt":"abc","completion":"d"})", false), "prompt leaves no room");
}

TEST_F(Tokenize, TruncationKeepsTheStart) {
  options_.max_length = 4;
  const auto out = of(R"({"prompt":"ab","chosen":"cdefg","rejected":"x"})");
  EXPECT_EQ(out.prompt, bytes("ab"));
  EXPECT_EQ(out.completions[0].ids, bytes("cd"));
  EXPECT_TRUE(out.completions[0].truncated);
  EXPECT_EQ(out.completions[1].ids, bytes("x") + Ids{1});
  EXPECT_FALSE(out.completions[1].truncated);
  EXPECT_EQ(reason(R"({"prompt":"abcd","completion":"e"})"),
            "prompt leaves no room");  // TRL drops len >= max_length
  EXPECT_EQ(reason(R"({"prompt":"abc","completion":"e"})"), "");
  options_.max_length = 0;
  codec_.max_positions = 4;  // the model's context is a limit of its own
  EXPECT_EQ(of(R"({"prompt":"ab","completion":"cdefg"})").completions[0].ids, bytes("cd"));
  options_.max_length = 6;  // a length that is asked for counts beyond it, unless positions end there
  EXPECT_EQ(of(R"({"prompt":"ab","completion":"cdefg"})").completions[0].ids, bytes("cdef"));
  codec_.positions_end = true;
  EXPECT_EQ(of(R"({"prompt":"ab","completion":"cdefg"})").completions[0].ids, bytes("cd"));
}

TEST(Context, IsWarnedOfWhereSequencesGoBeyondIt) {
  EXPECT_EQ(beyond_context_text(16, 16), "");
  EXPECT_EQ(beyond_context_text(17, 0), "");
  EXPECT_THAT(beyond_context_text(17, 16), HasSubstr("has 17 tokens, and the model was made for 16"));
}

TEST_F(Tokenize, ScoringIsCutAsTraining) {
  options_.max_length = 4;
  const std::string pair =
      R"({"prompt":"x t","chosen":"he","rejected":"abc"})";  // see PairsShareTheShorterPrompt
  for (const std::string truncation : {"keep_start", "keep_end"}) {
    options_.truncation = truncation;
    for (const std::string& row :
         {std::string(R"({"prompt":"ab","completion":"cdefg"})"),
          std::string(R"({"prompt_ids":[5,6,7],"completion_ids":[8,9,10]})"), pair}) {
      const auto scored = of(row, false), trained = of(row, true);
      EXPECT_EQ(scored.prompt, trained.prompt) << row;
      ASSERT_EQ(scored.completions.size(), trained.completions.size());
      for (std::size_t i = 0; i < scored.completions.size(); ++i) {
        EXPECT_EQ(scored.completions[i].ids, trained.completions[i].ids) << row;
        EXPECT_EQ(scored.completions[i].truncated, trained.completions[i].truncated) << row;
      }
    }
  }
  // Of [x, t] abc </s>, two tokens go: one of the prompt, and none is left of it.
  EXPECT_EQ(of(pair, false).completions[1].prompt_tail, 0);
  options_.truncation = "keep_start";
  options_.max_length = 2;
  EXPECT_EQ(reason(pair, false), "prompt leaves no room");  // of the second only the prompt is left
  options_.max_prompt_length = 1;
  options_.max_length = 3;
  EXPECT_EQ(of(R"({"prompt":"ab","completion":"cdefg"})", false).prompt, bytes("b"));
}

TEST_F(Tokenize, InstructionsAreTextsWhereThereIsNoTemplate) {
  const std::string row = R"({"instruction":"do","input":"this","output":"done"})";
  const auto with = of(row);
  EXPECT_THAT(with.rendered, Not(HasSubstr("### Instruction:")));
  codec_.chat_template.reset();
  const auto without = of(row);
  EXPECT_THAT(without.rendered, HasSubstr("### Instruction:\ndo\n\n### Input:\nthis\n\n### Response:\ndone"));
  EXPECT_EQ(codec_.tokenizer->decode(without.completions[0].ids, true), "done");
  EXPECT_EQ(without.completions[0].ids.back(), 1);  // and the end-of-sequence token, as for any text
  const auto pair = of(R"({"instruction":"do","chosen":"a","rejected":"b"})");
  EXPECT_EQ(codec_.tokenizer->decode(pair.completions[1].ids, true), "b");
  try {
    of(R"({"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]})");
    FAIL() << "messages without a template";
  } catch (const core::Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("data.columns={prompt: …, completion: …}"));
  }
}

TEST_F(Tokenize, SaysWhatRowsAreCutTo) {
  options_.max_length = 4;
  EXPECT_EQ(length_limit_text(options_, codec_), "data.max_length=4");
  codec_.max_positions = 3;
  EXPECT_EQ(length_limit_text(options_, codec_), "data.max_length=4");
  codec_.positions_end = true;
  EXPECT_EQ(length_limit_text(options_, codec_), "the model's context of 3");
  options_.max_prompt_length = 2;
  EXPECT_EQ(length_limit_text(options_, codec_), "data.max_prompt_length=2 and the model's context of 3");
  codec_.max_positions = options_.max_length = options_.max_prompt_length = 0;
  EXPECT_EQ(length_limit_text(options_, codec_), "");
}

TEST_F(Tokenize, TruncationKeepsTheEndOfEachSequence) {
  options_.max_length = 4;
  options_.truncation = "keep_end";
  const auto one = of(R"({"prompt":"abc","completion":"de"})");  // a b [c d e </s>]
  EXPECT_EQ(one.prompt, bytes("c"));
  EXPECT_EQ(one.completions[0].ids, bytes("de") + Ids{1});
  const auto long_one = of(R"({"prompt":"ab","completion":"cdefg"})");  // a b c d [e f g </s>]
  EXPECT_TRUE(long_one.prompt.empty());
  EXPECT_EQ(long_one.completions[0].ids, bytes("efg") + Ids{1});
  EXPECT_EQ(long_one.completions[0].dropped_front, 2);
  // TRL: [-max_length:] of each; the two no longer share a prompt.
  const auto pair = of(R"({"prompt":"abc","chosen":"de","rejected":"f"})");
  EXPECT_TRUE(pair.prompt.empty());
  EXPECT_EQ(pair.completions[0].ids, bytes("cde") + Ids{1});
  EXPECT_THAT(pair.completions[0].mask, ElementsAre(0, 1, 1, 1));
  EXPECT_EQ(pair.completions[1].ids, bytes("bcf") + Ids{1});
  EXPECT_THAT(pair.completions[1].mask, ElementsAre(0, 0, 1, 1));
}

TEST_F(Tokenize, PromptsAreCutFromTheirStart) {
  options_.max_prompt_length = 2;
  const auto out = of(R"({"prompt":"abcd","completion":"e"})");
  EXPECT_EQ(out.prompt, bytes("cd"));
  EXPECT_EQ(out.completions[0].ids, bytes("e") + Ids{1});
}

TEST_F(Tokenize, StepsEndAtTheTokenThatHoldsTheirLastCharacter) {
  // "ab\n" and "the\n": tokens a b \n the \n </s>; the steps end at 2 and 4.
  const auto out = of(R"({"prompt":"q","completions":["ab","the"],"labels":[true,false]})");
  EXPECT_EQ(out.completions[0].ids, (Ids{101, 102, 14, 261, 14, 1}));
  EXPECT_THAT(out.completions[0].step_ends, ElementsAre(2, 4));
  options_.max_length = 5;  // the second step is cut
  EXPECT_THAT(
      of(R"({"prompt":"q","completions":["ab","the"],"labels":[true,false]})").completions[0].step_ends,
      ElementsAre(2));
}

TEST_F(Tokenize, StepEndsWithCharactersOfSeveralTokens) {
  // é is two tokens: the step "é" ends at its second.
  const auto out =
      of(R"({"prompt":"é","candidates":[{"completion":"éx","steps":["é","x"],"step_scores":[1,0]}]})");
  EXPECT_EQ(out.prompt.size(), 2U);
  EXPECT_THAT(out.completions[0].step_ends, ElementsAre(1, 2));
}

TEST_F(Tokenize, PromptsAreReadyToBeContinued) {
  const auto prompt = [&](const std::string& row) {
    const auto parsed = support::json(row);
    return tokenize_prompt(recognise(parsed, "test").read(parsed).value(), codec_).value();
  };
  EXPECT_EQ(prompt(R"({"prompt":"ab"})"), bytes("ab"));
  EXPECT_EQ(prompt(R"({"text":"ab"})"), bytes("ab"));
  EXPECT_EQ(prompt(R"({"prompt_ids":[5,6]})"), (Ids{5, 6}));
  const Ids open = Ids{2} + bytes("user\nhi") + Ids{3} + bytes("\n") + Ids{2} + bytes("assistant\n");
  EXPECT_EQ(prompt(R"({"prompt":[{"role":"user","content":"hi"}]})"), open);
  EXPECT_EQ(prompt(R"({"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":"x"}]})"),
            open);
}

}  // namespace
}  // namespace attune::data
