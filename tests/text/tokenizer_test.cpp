#include "text/tokenizer/tokenizer.h"

#include <gmock/gmock.h>

#include <time.h>

#include <algorithm>
#include <limits>
#include <thread>

#include "tests/text/tokenizer_fixture.h"

namespace attune::text {
namespace {

using ::testing::HasSubstr;

TEST_F(TokenizerTest, MergesTheLowestRankFirstAndLeftmostAmongEquals) {
  const auto tokenizer = make(R"({"a": 0, "b": 1, "c": 2, "bc": 3, "ab": 4, "aa": 5, "aab": 6})",
                              R"(["b c", "a b", "a a", ["aa", "b"]])");
  EXPECT_EQ(tokenizer.encode("abc"), (Ids{0, 3}));  // "b c" has rank 0: a bc
  EXPECT_EQ(tokenizer.encode("aaa"), (Ids{5, 0}));  // leftmost pair: aa a
  EXPECT_EQ(tokenizer.encode("aab"), (Ids{0, 4}));  // "a b" before "a a"
  EXPECT_EQ(tokenizer.encode(""), Ids{});
}

TEST_F(TokenizerTest, LongPiecesMergeLikeShortOnes) {
  const auto tokenizer = make(R"({"a": 0, "aa": 1, "aaaa": 2})", R"(["a a", "aa aa"])");
  // 25 × "aaaa" + "aa" + "a" = 103 characters: beyond the plain search.
  Ids expected(25, 2);
  expected.insert(expected.end(), {1, 0});
  EXPECT_EQ(tokenizer.encode(std::string(103, 'a')), expected);
  EXPECT_EQ(tokenizer.encode(std::string(7, 'a')), (Ids{2, 1, 0}));
}

/// Seconds of this thread alone, whatever else the machine does: the least of a few attempts.
template <class Work>
double thread_seconds(const Work& work) {
  const auto now = [] {
    timespec time{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
  };
  double least = std::numeric_limits<double>::infinity();
  for (int attempt = 0; attempt < 3; ++attempt) {
    const double start = now();
    work();
    least = std::min(least, now() - start);
  }
  return least;
}

TEST_F(TokenizerTest, AMegabyteWithoutASpaceTakesTimeInProportion) {
  const auto tokenizer =
      make(R"({"a": 0, "b": 1, "ab": 2, "abab": 3, "ba": 4})", R"(["a b", "ab ab", "b a"])");
  const std::string part = repeated("ab", 1 << 14), whole = repeated(part, 32);
  Ids ids;
  const double of_part = thread_seconds([&] { ids = tokenizer.encode(part); });
  const double of_whole = thread_seconds([&] { ids = tokenizer.encode(whole); });
  EXPECT_EQ(ids, Ids(whole.size() / 4, 3));
  // 32 times the text. In proportion that is 32 times the work, with the logarithm of a heap 43; square, 1024.
  EXPECT_LT(of_whole, 180 * of_part);
}

TEST_F(TokenizerTest, UnknownCharactersBecomeBytesOrTheUnknownToken) {
  const auto fused = make(R"({"<unk>": 0, "a": 1})", "[]", R"("unk_token": "<unk>", "fuse_unk": true)");
  EXPECT_EQ(fused.encode("xyaz"), (Ids{0, 1, 0}));
  const auto single = make(R"({"<unk>": 0, "a": 1})", "[]", R"("unk_token": "<unk>")");
  EXPECT_EQ(single.encode("xya"), (Ids{0, 0, 1}));
  const auto none = make(R"({"a": 1})", "[]");
  EXPECT_EQ(none.encode("xya"), Ids{1});
  // é is C3 A9; of ü (C3 BC) one byte is missing, so all of it is unknown.
  const auto bytes = make(R"({"<unk>": 0, "<0xC3>": 1, "<0xA9>": 2})", "[]",
                          R"("unk_token": "<unk>", "byte_fallback": true)");
  EXPECT_EQ(bytes.encode("éü"), (Ids{1, 2, 0}));
}

TEST_F(TokenizerTest, IgnoreMergesTakesAWholePieceThatIsAToken) {
  const std::string split = R"("pre_tokenizer": {"type": "WhitespaceSplit"})";
  const auto plain = make(R"({"a": 0, "b": 1, "ab": 2})", "[]", "", split);
  EXPECT_EQ(plain.encode("ab"), (Ids{0, 1}));
  const auto whole = make(R"({"a": 0, "b": 1, "ab": 2})", "[]", R"("ignore_merges": true)", split);
  EXPECT_EQ(whole.encode("ab a"), (Ids{2, 0}));
}

TEST_F(TokenizerTest, EndOfWordSuffixMarksTheLastCharacterOfAPiece) {
  const auto tokenizer =
      make(R"({"a": 0, "a</w>": 1, "aa</w>": 2})", R"(["a a</w>"])", R"("end_of_word_suffix": "</w>")",
           R"("pre_tokenizer": {"type": "WhitespaceSplit"})");
  EXPECT_EQ(tokenizer.encode("aa a"), (Ids{2, 1}));
}

TEST_F(TokenizerTest, IllFormedBytesAreReadAsReplacementCharacters) {
  const auto tokenizer = make(R"({"a": 0, "�": 1})", "[]");
  EXPECT_EQ(tokenizer.encode("a\xFF"
                             "a\xE2\x82"
                             "a"),
            (Ids{0, 1, 0, 1, 0}));  // FF alone; E2 82 is one truncated sequence
}

TEST_F(TokenizerTest, ByteLevelWritesEveryByteAndReadsItBack) {
  // A vocabulary of the 4 visible characters needed: "a", space (Ġ), and the bytes C3 (Ã) and A9 (©).
  const auto tokenizer = make(R"({"a": 0, "Ġ": 1, "Ã": 2, "©": 3, "Ġa": 4})", R"(["Ġ a"])", "",
                              R"("pre_tokenizer": {"type": "ByteLevel"}, "decoder": {"type": "ByteLevel"})");
  EXPECT_EQ(tokenizer.encode("a aé"), (Ids{0, 4, 2, 3}));
  EXPECT_EQ(tokenizer.decode(Ids{0, 4, 2, 3}), "a aé");
  EXPECT_EQ(tokenizer.decode(Ids{2}), "\uFFFD");
}

TEST_F(TokenizerTest, PostProcessorPutsSpecialTokensAround) {
  const std::string members = R"("added_tokens": [{"id": 2, "content": "<s>", "special": true},
      {"id": 3, "content": "</s>", "special": true}],
    "post_processor": {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}},
      {"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "</s>", "type_id": 0}}],
      "special_tokens": {"<s>": {"id": "<s>", "ids": [2], "tokens": ["<s>"]},
                         "</s>": {"id": "</s>", "ids": [3], "tokens": ["</s>"]}}})";
  const auto tokenizer = make(R"({"a": 0, "b": 1})", "[]", "", members);
  EXPECT_EQ(tokenizer.encode("ab"), (Ids{2, 0, 1, 3}));
  EXPECT_EQ(tokenizer.encode("ab", false), (Ids{0, 1}));
  EXPECT_TRUE(tokenizer.is_special(3));
  EXPECT_EQ(tokenizer.decode(Ids{2, 0, 1, 3}, true), "a b");  // no decoder: joined with spaces
  // The closing token is no part of the prompt.
  const auto pair = encode_pair(tokenizer, "a", "b");
  EXPECT_EQ(pair.prompt, (Ids{2, 0}));
  EXPECT_EQ(pair.completion, (Ids{1, 3}));
  EXPECT_FALSE(pair.straddles);
}

TEST_F(TokenizerTest, ATokenAcrossTheBoundaryBelongsToTheCompletion) {
  const auto tokenizer = make(R"({"a": 0, "b": 1, "ab": 2})", R"(["a b"])");
  const auto joined = encode_pair(tokenizer, "aa", "b");  // a ab
  EXPECT_EQ(joined.prompt, Ids{0});
  EXPECT_EQ(joined.completion, Ids{2});
  EXPECT_TRUE(joined.straddles);
  const auto apart = encode_pair(tokenizer, "b", "a");
  EXPECT_EQ(apart.prompt, Ids{1});
  EXPECT_FALSE(apart.straddles);
}

TEST_F(TokenizerTest, ManyThreadsGetTheSameIds) {
  const auto tokenizer = make(R"({"a": 0, "b": 1, "ab": 2, "Ġ": 3, "Ġa": 4})", R"(["a b", "Ġ a"])", "",
                              R"("pre_tokenizer": {"type": "ByteLevel"})");
  std::string text;
  for (int i = 0; i < 2000; ++i) text += i % 3 == 0 ? " ab" : i % 3 == 1 ? " a" : "b";
  const Ids expected = tokenizer.encode(text);
  std::vector<Ids> results(8);
  std::vector<std::thread> threads;
  for (auto& result : results) threads.emplace_back([&] { result = tokenizer.encode(text); });
  for (auto& thread : threads) thread.join();
  for (const auto& result : results) EXPECT_EQ(result, expected);
}

TEST_F(TokenizerTest, PatternsThatBacktrackWithoutEndAreStopped) {
  // Two ways for each of 60 letters, and then nothing fits: 2^60 ways to fail.
  const auto tokenizer =
      make(R"({"a": 0})", "[]", "", R"x("pre_tokenizer": {"type": "Split", "behavior": "Isolated",
                                "pattern": {"Regex": "(?:a|a)+(?=c|d)"}})x");
  try {
    tokenizer.encode(std::string(60, 'a'));
    FAIL() << "no end was put to it";
  } catch (const core::Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("cannot be matched"));
  }
}

TEST_F(TokenizerTest, RulesThatMakeTextGrowWithoutEndAreStopped) {
  // Each of 20 steps doubles: 2^20 bytes of one, and 2^20 letters of one token.
  const std::string twice = R"({"type": "Replace", "pattern": {"String": "a"}, "content": "aa"})";
  const std::string steps = repeated(twice + ",", 19) + twice;
  const std::string bytes = repeated(R"({"type": "ByteLevel", "use_regex": false},)", 19) +
                            R"({"type": "ByteLevel", "use_regex": false})";
  const auto refuses = [&](const std::string& members, bool decodes) {
    const auto tokenizer = make(R"({"a": 0})", "[]", "", members);
    try {
      if (decodes)
        tokenizer.decode(Ids{0});
      else
        tokenizer.encode("a\xC3\xA9");
      return false;
    } catch (const core::Error& error) {
      EXPECT_THAT(error.what(), HasSubstr("make this text longer than 65"));  // 64 KiB and 64 times the text
      return true;
    }
  };
  EXPECT_TRUE(refuses(R"("normalizer": {"type": "Sequence", "normalizers": [)" + steps + "]}", false));
  EXPECT_TRUE(refuses(R"("pre_tokenizer": {"type": "Sequence", "pretokenizers": [)" + bytes + "]}", false));
  EXPECT_TRUE(refuses(R"("decoder": {"type": "Sequence", "decoders": [)" + steps + "]}", true));
  EXPECT_FALSE(refuses(R"("normalizer": )" + twice, false));
  EXPECT_FALSE(refuses(R"("decoder": )" + twice, true));
}

}  // namespace
}  // namespace attune::text
