// Reading folders, and files that lie.
#include <gmock/gmock.h>

#include "tests/text/tokenizer_fixture.h"

namespace attune::text {
namespace {

using ::testing::HasSubstr;

TEST_F(TokenizerTest, ReadsVocabAndMergesAsGpt2) {
  write("vocab.json", R"({"a": 0, "b": 1, "Ġ": 2, "ab": 3, "Ġa": 4})");
  write("merges.txt", "#version: 0.2\na b\nĠ a\n");
  const auto tokenizer = Tokenizer::load(folder_.string());
  EXPECT_EQ(tokenizer.encode("ab a"), (Ids{3, 4}));
  EXPECT_EQ(tokenizer.decode(Ids{3, 4}), "ab a");
  EXPECT_EQ(tokenizer.id_of("<|endoftext|>"), 5);  // the class's own special token, after the vocabulary
  EXPECT_EQ(tokenizer.eos_id(), 5);
  EXPECT_EQ(tokenizer.vocab_size(), 6);
}

TEST_F(TokenizerTest, FolderSettingsNameTheSpecialTokens) {
  write("tokenizer.json", json(R"({"a": 0, "</s>": 1})", "[]"));
  write("tokenizer_config.json", R"({"eos_token": "</s>", "pad_token": {"content": "<pad>", "lstrip": false},
    "bos_token": null, "model_max_length": 1000000000000000019884624838656})");
  const auto tokenizer = Tokenizer::load(folder_.string());
  EXPECT_EQ(tokenizer.eos_id(), 1);
  EXPECT_EQ(tokenizer.pad_id(), 2);
  EXPECT_EQ(tokenizer.bos_id(), std::nullopt);
  EXPECT_EQ(tokenizer.special_token_texts(),
            (std::map<std::string, std::string>{{"eos_token", "</s>"}, {"pad_token", "<pad>"}}));
  EXPECT_EQ(tokenizer.encode("a</s>"), (Ids{0, 1}));
  EXPECT_EQ(tokenizer.folder(), folder_.string());
}

TEST_F(TokenizerTest, LlamaClassPrependsOnlyWhereNoMarkIs) {
  // transformers rebuilds this class: its Metaspace leaves "▁a" alone, where the file's normalizer would add
  // a "▁".
  write("tokenizer.json", json(R"({"<unk>": 0, "<s>": 1, "</s>": 2, "a": 3, "▁": 4})", "[]", "",
                               R"("normalizer": {"type": "Prepend", "prepend": "▁"})"));
  const std::string file = (folder_ / "tokenizer.json").string();
  EXPECT_EQ(Tokenizer::load(file).encode("▁a"), (Ids{4, 4, 3}));
  write("tokenizer_config.json", R"({"tokenizer_class": "LlamaTokenizer"})");
  EXPECT_EQ(Tokenizer::load(folder_.string()).encode("▁a"), (Ids{4, 3}));
  EXPECT_EQ(Tokenizer::load(folder_.string()).encode("a"), (Ids{4, 3}));
}

TEST_F(TokenizerTest, FingerprintFollowsTheFiles) {
  const auto one = make(R"({"a": 0})", "[]"), same = make(R"({"a": 0})", "[]"),
             other = make(R"({"a": 1})", "[]");
  EXPECT_EQ(one.fingerprint(), same.fingerprint());
  EXPECT_NE(one.fingerprint(), other.fingerprint());
}

struct Hostile {
  std::string json, message;
};

TEST_F(TokenizerTest, MalformedFilesAreRefusedWithPlaceAndReason) {
  const Hostile cases[] = {
      {"", "JSON"},
      {"{", "JSON"},
      {"[]", "an object is needed"},
      {std::string(100'000, '[') + std::string(100'000, ']'), "JSON"},
      {R"({"version": "1.0"})", "\"model\" is missing"},
      {R"({"model": {"type": "Unigram", "vocab": []}})", "\"Unigram\" is not supported"},
      {R"({"model": {"type": "BPE", "vocab": {"a": 0}}})", "\"merges\" is missing"},
      {R"({"model": {"type": "BPE", "merges": []}})", "\"vocab\" is missing"},
      {json(R"({"a": -1})", "[]"), "the id of token \"a\" is -1"},
      {json(R"({"a": 4000000000})", "[]"), "the id of token \"a\""},
      {json(R"({"a": 1.5})", "[]"), "the id of token \"a\" is 1.5"},
      {json(R"({"a": "b"})", "[]"), "the id of token \"a\""},
      {json(R"([1])", "[]"), "an object {token: id}"},
      {json(R"({"a": 0})", R"(["a b"])"), "names \"b\""},
      {json(R"({"a": 0, "b": 1})", R"(["a b"])"), "names \"ab\""},
      {json(R"({"a": 0})", R"(["a"])"), "merge 0"},
      {json(R"({"a": 0})", R"([["a"]])"), "merge 0"},
      {json(R"({"a": 0})", R"([[1, 2]])"), "merge 0"},
      {json(R"({"a": 0})", R"({"a": 1})"), "a list of merges"},
      {json(R"({"a": 0})", "[]", R"("dropout": 0.1)"), "dropout"},
      {json(R"({"a": 0})", "[]", R"("byte_fallback": 3)"), "true or false"},
      {json(R"({"a": 0})", "[]", "", R"("normalizer": {"type": "Magic"})"), "\"Magic\" is not supported"},
      {json(R"({"a": 0})", "[]", "", R"("normalizer": {"type": 3})"), "a string is needed"},
      {json(R"({"a": 0})", "[]", "",
            R"("pre_tokenizer": {"type": "Split", "pattern": {"Regex": "("}, "behavior": "Removed"})"),
       "cannot be used"},
      {json(R"({"a": 0})", "[]", "",
            R"("pre_tokenizer": {"type": "Split", "pattern": {"Regex": "[a&&b]"}, "behavior": "Removed"})"),
       "intersection"},
      {json(R"({"a": 0})", "[]", "",
            R"("pre_tokenizer": {"type": "Split", "pattern": {"String": "a"}, "behavior": "Odd"})"),
       "unknown behavior"},
      {json(R"({"a": 0})", "[]", "",
            R"("decoder": {"type": "Strip", "content": " ", "start": -1, "stop": 0})"),
       "-1 is not a whole number"},
      {json(R"({"a": 0})", "[]", "", R"("added_tokens": [{"id": -5, "content": "x"}])"),
       "-5 is not a whole number"},
      {json(R"({"a": 0})", "[]", "", R"("added_tokens": [{"id": 5}])"), "\"content\" is missing"},
      {json(R"({"a": 0})", "[]", "",
            R"("post_processor": {"type": "TemplateProcessing", "single": [], "special_tokens": {}})"),
       "exactly once"},
      {json(R"({"a": 0})", "[]", "",
            R"("post_processor": {"type": "TemplateProcessing", "single": [)" +
                repeated(R"({"SpecialToken": {"id": "a"}},)", 40) + R"({"Sequence": {"id": "A"}}],)" +
                R"("special_tokens": {"a": {"ids": [0)" + repeated(",0", 39) + "]}}}"),
       "more than 1000 special tokens"},  // 40 * 40
  };
  for (const auto& [text, message] : cases) {
    const std::string path = write("tokenizer.json", text);
    EXPECT_THAT(failure(path), HasSubstr(message)) << text.substr(0, 200);
    EXPECT_THAT(failure(path), HasSubstr(path)) << text.substr(0, 200);
  }
}

TEST_F(TokenizerTest, MissingOrForeignFilesAreNamed) {
  EXPECT_THAT(failure((folder_ / "nothing").string()), HasSubstr("no such file"));
  EXPECT_THAT(failure(folder_.string()), HasSubstr("neither tokenizer.json nor vocab.json"));
  write("tokenizer.model", "x");
  EXPECT_THAT(failure(folder_.string()), HasSubstr("SentencePiece"));
  write("vocab.json", R"({"a": 0})");
  write("merges.txt", "#version: 0.2\na b c\n");
  EXPECT_THAT(failure(folder_.string()), HasSubstr("merges.txt:2"));
}

TEST_F(TokenizerTest, BadSettingsNameTheirKey) {
  write("tokenizer.json", json(R"({"a": 0})", "[]"));
  const std::pair<const char*, const char*> cases[] = {
      {R"({"added_tokens_decoder": {"x": {"content": "a"}}})", "\"x\" is not a token id"},
      {R"({"added_tokens_decoder": {"-1": {"content": "a"}}})", "is not a token id"},
      {R"({"added_tokens_decoder": {"1": 7}})", "added_tokens_decoder.1"},
      {R"({"added_tokens_decoder": []})", "an object"},
      {R"({"bos_token": {"lstrip": true}, "eos_token": {"content": 3}})", "_token"},
      {R"([])", "an object is needed"},
  };
  for (const auto& [text, message] : cases) {
    write("tokenizer_config.json", text);
    EXPECT_THAT(failure(folder_.string()), HasSubstr(message)) << text;
  }
}

TEST_F(TokenizerTest, MergesThatMakeACircleEnd) {
  // "a" + "" would give "a" again and again; every merge shortens the piece, so it ends.
  const auto tokenizer = make(R"({"a": 0, "": 1, "aa": 2})", R"([["a", ""], ["", "a"], ["a", "a"]])");
  EXPECT_EQ(tokenizer.encode("aaa"), (Ids{2, 0}));
}

}  // namespace
}  // namespace attune::text
