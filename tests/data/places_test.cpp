// Masks, step ends and end tokens of tokenizers that change what they read: all of them stand where the text
// says.
#include "data/tokens/token_spans.h"
#include "tests/data/support.h"

namespace attune::data {
namespace {

using support::json;
using ::testing::Each;
using ::testing::ElementsAre;

class Places : public ::testing::Test {
 protected:
  /// The small tokenizer with parts of its file replaced.
  TextCodec codec_with(const core::Json& parts) {
    core::Json file = core::read_json_file(support::write_tokenizer(folder_));
    file.update(parts);
    folder_.write("tokenizer.json", file.dump());
    TextCodec codec = TextCodec::load(folder_.path());
    codec.chat_template = support::chat_template();
    codec.eos_id = codec.tokenizer->eos_id();
    return codec;
  }
  TokenizedExample of(const std::string& row, const TextCodec& codec) const {
    const auto parsed = json(row);
    auto result = tokenize_example(recognise(parsed, "test").read(parsed).value(), codec, options_, true);
    EXPECT_TRUE(result.ok()) << (result.ok() ? "" : result.error().reason);
    return result.ok() ? result.value() : TokenizedExample();
  }
  support::TemporaryFolder folder_;
  DataOptions options_;
};

std::string trained(const TokenizedExample::Completion& completion, const TextCodec& codec) {
  std::vector<std::int32_t> ids;
  for (std::size_t i = 0; i < completion.ids.size(); ++i)
    if (completion.mask[i] == 1) ids.push_back(completion.ids[i]);
  return codec.tokenizer->decode(ids);
}

/// Rules that make text longer or shorter.
const std::vector<std::string> kNormalizers = {
    R"({"type":"NFC"})",
    R"({"type":"NFD"})",
    R"({"type":"NFKC"})",
    R"({"type":"NFKD"})",
    R"({"type":"Lowercase"})",
    R"({"type":"Strip","strip_left":true,"strip_right":true})",
    R"({"type":"Sequence","normalizers":[{"type":"NFD"},{"type":"StripAccents"}]})",
    R"({"type":"Replace","pattern":{"String":"n"},"content":"<longer>"})",
    R"({"type":"Replace","pattern":{"Regex":"[0-9]+"},"content":""})",
    R"({"type":"BertNormalizer","clean_text":false,"handle_chinese_chars":true,"strip_accents":true,"lowercase":true})"};

TEST_F(Places, MasksStandWhereTheAssistantSpokeWhateverIsNormalised) {
  options_.assistant_only = true;
  for (const std::string& normalizer : kNormalizers) {
    const TextCodec codec = codec_with({{"normalizer", json(normalizer)}});
    const auto out =
        of(R"({"messages":[{"role":"user","content":"cafe\u0301 re\u0301sume\u0301 \ufb01 123 İ 中文"},)"
           R"({"role":"assistant","content":"yes, a lot."},{"role":"user","content":"e\u0301 why"},)"
           R"({"role":"assistant","content":"so é."}]})",
           codec);
    const std::string text = trained(out.completions[0], codec);
    EXPECT_THAT(text, ::testing::StartsWith("yes, a lot.<|im_end|>so ")) << normalizer;
    EXPECT_THAT(text, ::testing::EndsWith(".<|im_end|>")) << normalizer;
    EXPECT_EQ(text.find("why"), std::string::npos) << normalizer;
  }
}

TEST_F(Places, MasksStandWhereTheAssistantSpokeWhenTheVocabularyLacksCharacters) {
  options_.assistant_only = true;
  core::Json file = core::read_json_file(support::write_tokenizer(folder_));
  for (const char* byte : {"[", "/", "{"}) file["model"]["vocab"].erase(byte);
  const TextCodec codec = codec_with({{"model", file["model"]}});
  const auto out = of(
      R"({"messages":[{"role":"user","content":"[[/{ab"},{"role":"assistant","content":"[yes/"}]})", codec);
  EXPECT_EQ(trained(out.completions[0], codec), "yes<|im_end|>");
}

TEST_F(Places, StepsEndWhereTheTextSays) {
  const TextCodec codec = codec_with({{"normalizer", {{"type", "NFC"}}}});
  // Composed, é is two tokens: prompt é; steps é b | c d, then the end.
  const std::string steps = R"("steps":["e\u0301b","cd"],"step_scores":[1,0]}]})";
  const auto text = of(R"({"prompt":"e\u0301","candidates":[{)" + steps, codec);
  EXPECT_EQ(text.prompt.size(), 2U);
  EXPECT_THAT(text.completions[0].step_ends, ElementsAre(2, 4));
  const auto after_ids = of(R"({"prompt_ids":[5,6],"candidates":[{)" + steps, codec);
  EXPECT_THAT(after_ids.completions[0].step_ends, ElementsAre(2, 4));
  // Ids given: as the tokenizer writes them, and otherwise ("the" letter by letter).
  const auto ids = codec.tokenizer->encode("ébcd", false);
  const auto given =
      of(core::Json({{"prompt_ids", {5}},
                     {"candidates",
                      {{{"completion_ids", ids}, {"steps", {"e\u0301b", "cd"}}, {"step_scores", {1, 0}}}}}})
             .dump(),
         codec);
  EXPECT_THAT(given.completions[0].step_ends, ElementsAre(2, 4));
  const auto letters = codec.tokenizer->encode("t", false)[0];
  const auto h = codec.tokenizer->encode("h", false)[0], e = codec.tokenizer->encode("e", false)[0];
  std::vector<std::int32_t> other = codec.tokenizer->encode("é", false);
  other.insert(other.end(), {letters, h, e, letters, h, e});
  const auto spelled = of(
      core::Json({{"prompt_ids", {5}},
                  {"candidates",
                   {{{"completion_ids", other}, {"steps", {"e\u0301the", "the"}}, {"step_scores", {1, 0}}}}}})
          .dump(),
      codec);
  EXPECT_THAT(spelled.completions[0].step_ends, ElementsAre(4, 7));
}

TEST_F(Places, TokensOfNoTextBelongToNoSpanAndEndNoStep) {
  const std::vector<text::TextSpan> places = {{0, 0}, {0, 2}, {2, 3}, {2, 3}, {5, 6}, {0, 0}},
                                    spans = {{1, 2}, {4, 9}};
  EXPECT_THAT(tokens_in(places, spans), ElementsAre(0, 1, 0, 0, 1, 0));
  EXPECT_THAT(tokens_before(places, std::vector<std::size_t>{2, 4, 5, 6}), ElementsAre(1, 3, 3, 4));
}

class EndTokens : public Places {
 protected:
  /// The post-processor writes <s> before a text and </s> after it.
  TextCodec closing() {
    return codec_with({{"post_processor", json(R"({"type": "TemplateProcessing", "pair": [],
      "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
                 {"SpecialToken": {"id": "</s>", "type_id": 0}}],
      "special_tokens": {"<s>": {"id": "<s>", "ids": [0], "tokens": ["<s>"]},
                         "</s>": {"id": "</s>", "ids": [1], "tokens": ["</s>"]}}})")}});
  }
};

TEST_F(EndTokens, OneWhereTextAndTokenizerBothBringOne) {
  const TextCodec codec = closing();
  for (const bool append : {true, false}) {
    options_.append_eos = append;
    const auto plain = of(R"({"prompt":"ab","completion":"cd"})", codec);
    EXPECT_EQ(codec.tokenizer->decode(plain.completions[0].ids), "cd</s>");
    const auto ended = of(R"({"prompt":"ab","completion":"cd</s>"})", codec);
    EXPECT_EQ(ended.completions[0].ids, plain.completions[0].ids);
    EXPECT_EQ(ended.prompt, plain.prompt);
    const auto text = of(R"({"text":"cd</s>"})", codec);
    EXPECT_EQ(codec.tokenizer->decode(text.completions[0].ids), "<s>cd</s>");
  }
}

TEST_F(EndTokens, NoneAfterWhatALimitCut) {
  const TextCodec codec = closing();
  const std::string row = R"({"prompt":"ab","candidates":[{"completion":"cd","finish_reason":)";
  EXPECT_EQ(codec.tokenizer->decode(of(row + R"("length"}]})", codec).completions[0].ids), "cd");
  EXPECT_EQ(codec.tokenizer->decode(of(row + R"("stop"}]})", codec).completions[0].ids), "cd</s>");
}

TEST_F(EndTokens, WhatALimitCutIsTruncatedForMethods) {
  const TextCodec codec = closing();
  options_.path = folder_.write(
      "rows.jsonl", R"({"prompt":"ab","candidates":[{"completion":"cd","reward":1,"finish_reason":"length"},)"
                    R"({"completion":"ef","reward":0,"finish_reason":"stop"}]})"
                    "\n");
  const auto dataset = Dataset::open(options_, codec, record::GroupShape::kGroups, folder_.path("cache"));
  const auto row = dataset.row(0);
  EXPECT_TRUE(record::was_cut(row.candidates[0].said));
  EXPECT_FALSE(record::was_cut(row.candidates[1].said));
}

}  // namespace
}  // namespace attune::data
