#include "tests/text/tokenizer_fixture.h"
#include "text/tokenizer/tokenizer.h"

namespace attune::text {
namespace {

std::vector<std::string> pieces(const Tokenizer& tokenizer, const Ids& ids) {
  StreamDecoder decoder(tokenizer);
  std::vector<std::string> out;
  for (const auto id : ids) out.push_back(decoder.push(id));
  out.push_back(decoder.finish());
  return out;
}

using Pieces = std::vector<std::string>;

// Llama 2's decoder, and the bytes of 你 (E4 BD A0).
constexpr const char* kFallbackDecoder =
    R"("decoder": {"type": "Sequence", "decoders": [{"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
      {"type": "ByteFallback"}, {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0}]})";
constexpr const char* kFallbackVocab = R"({"▁a": 0, "b": 1, "<0xE4>": 2, "<0xBD>": 3, "<0xA0>": 4, "▁": 5})";

TEST_F(TokenizerTest, ByteRunsBecomeTextOrOneReplacementPerByte) {
  const auto tokenizer = make(kFallbackVocab, "[]", "", kFallbackDecoder);
  EXPECT_EQ(tokenizer.decode(Ids{0, 2, 3, 4, 1}), "a你b");
  EXPECT_EQ(tokenizer.decode(Ids{0, 2, 3, 1}), "a\uFFFD\uFFFDb");
  EXPECT_EQ(tokenizer.decode(Ids{2, 3, 4, 4}), "\uFFFD\uFFFD\uFFFD\uFFFD");
}

TEST_F(TokenizerTest, OnlyTheFirstSpaceOfAllIsStripped) {
  const auto tokenizer = make(kFallbackVocab, "[]", "", kFallbackDecoder);
  EXPECT_EQ(tokenizer.decode(Ids{0, 0}), "a a");
  EXPECT_EQ(tokenizer.decode(Ids{5, 0}), " a");
}

TEST_F(TokenizerTest, StreamingHoldsBackWhatMayStillChange) {
  const auto tokenizer = make(kFallbackVocab, "[]", "", kFallbackDecoder);
  EXPECT_EQ(pieces(tokenizer, {0, 2, 3, 4, 1}), (Pieces{"a", "", "", "", "你b", ""}));
  EXPECT_EQ(pieces(tokenizer, {0, 2, 3}), (Pieces{"a", "", "", "\uFFFD\uFFFD"}));
}

TEST_F(TokenizerTest, StreamingByteLevelNeverCutsACharacter) {
  // 😀 is F0 9F 98 80: ð Ł ĺ Ģ in the visible alphabet.
  const auto tokenizer =
      make(R"({"a": 0, "ðŁ": 1, "ĺĢ": 2, "Ġ": 3})", "[]", "", R"("decoder": {"type": "ByteLevel"})");
  EXPECT_EQ(pieces(tokenizer, {0, 1, 2, 3}), (Pieces{"a", "", "😀", " ", ""}));
  EXPECT_EQ(pieces(tokenizer, {1, 0}), (Pieces{"", "\uFFFDa", ""}));
  EXPECT_EQ(pieces(tokenizer, {1}), (Pieces{"", "\uFFFD"}));
}

TEST_F(TokenizerTest, AStreamCanBeUsedAgainAfterFinish) {
  const auto tokenizer = make(kFallbackVocab, "[]", "", kFallbackDecoder);
  StreamDecoder decoder(tokenizer);
  EXPECT_EQ(decoder.push(0) + decoder.finish(), "a");
  EXPECT_EQ(decoder.push(0) + decoder.finish(), "a");
}

TEST_F(TokenizerTest, IdsWithoutATokenGiveNoText) {
  const auto tokenizer = make(kFallbackVocab, "[]", "", kFallbackDecoder);
  EXPECT_EQ(tokenizer.decode(Ids{-1, 0, 99, 1 << 30, 1}), "ab");
  EXPECT_EQ(tokenizer.token(99), "");
}

TEST_F(TokenizerTest, OtherDecoders) {
  const auto word_piece = make(R"({"un": 0, "##able": 1, "do": 2, ".": 3})", "[]", "",
                               R"("decoder": {"type": "WordPiece", "prefix": "##", "cleanup": true})");
  EXPECT_EQ(word_piece.decode(Ids{2, 0, 1, 3}), "do unable.");
  const auto bpe =
      make(R"({"a": 0, "b</w>": 1})", "[]", "", R"("decoder": {"type": "BPEDecoder", "suffix": "</w>"})");
  EXPECT_EQ(bpe.decode(Ids{0, 1, 0, 1}), "ab ab");
  const auto metaspace = make(R"({"▁a": 0, "b": 1})", "[]", "", R"("decoder": {"type": "Metaspace"})");
  EXPECT_EQ(metaspace.decode(Ids{0, 1, 0}), "ab a");
}

}  // namespace
}  // namespace attune::text
