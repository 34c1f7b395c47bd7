// Added tokens. Expected ids follow from the rules of tokenizer.json; the golden tests compare with
// `tokenizers`.
#include "tests/text/tokenizer_fixture.h"
#include "text/tokenizer/added_tokens.h"

namespace attune::text {
namespace {

constexpr const char* kVocab = R"({"a": 0, "b": 1, " ": 2, "x": 3})";

std::string added(const std::string& content, const std::string& flags) {
  return R"("added_tokens": [{"id": 4, "content": ")" + content + "\"" + (flags.empty() ? "" : ", " + flags) +
         "}]";
}

TEST_F(TokenizerTest, StripsNeighbouringSpace) {
  EXPECT_EQ(make(kVocab, "[]", "", added("<t>", "")).encode("a <t> b"), (Ids{0, 2, 4, 2, 1}));
  EXPECT_EQ(make(kVocab, "[]", "", added("<t>", R"("lstrip": true)")).encode("a  <t> b"), (Ids{0, 4, 2, 1}));
  EXPECT_EQ(make(kVocab, "[]", "", added("<t>", R"("rstrip": true)")).encode("a <t>  b"), (Ids{0, 2, 4, 1}));
}

TEST_F(TokenizerTest, SingleWordNeedsNonWordNeighbours) {
  const auto tokenizer = make(kVocab, "[]", "", added("x", R"("single_word": true)"));
  // "x" is in the vocabulary: it keeps the id 3, found as an added token or not.
  EXPECT_EQ(tokenizer.encode("x"), Ids{3});
  const auto fresh =
      make(R"({"a": 0, "b": 1, " ": 2, "y": 3, "z": 5})", "[]", "", added("yz", R"("single_word": true)"));
  EXPECT_EQ(fresh.encode("yz a"), (Ids{5, 2, 0}));  // five tokens: the next id is 5, whatever the file states
  EXPECT_EQ(fresh.encode("ayz"), (Ids{0, 3, 5}));
}

TEST_F(TokenizerTest, NormalizedTokensAreFoundInNormalisedText) {
  const std::string lower = R"("normalizer": {"type": "Lowercase"}, )";
  const auto normalized = make(kVocab, "[]", "", lower + added("TT", R"("normalized": true)"));
  EXPECT_EQ(normalized.encode("atTb"), (Ids{0, 4, 1}));
  const auto raw = make(kVocab, "[]", "", lower + added("TT", R"("normalized": false)"));
  EXPECT_EQ(raw.encode("aTTb"), (Ids{0, 4, 1}));
  EXPECT_EQ(raw.encode("attb"), (Ids{0, 1}));
}

TEST(TokenFinder, FindsTheLeftmostAndThereTheLongest) {
  TokenFinder finder;
  finder.add("ab", 1);
  finder.add("abcd", 2);
  finder.add("bc", 3);
  const auto found = finder.find("xabcx", 0);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->id, 1);  // "ab": "abcd" does not fit, "bc" starts later
  EXPECT_EQ(finder.find("abcd", 0)->id, 2);
  EXPECT_EQ(finder.find("xabcx", 2)->id, 3);
  EXPECT_FALSE(finder.find("acbd", 0));
}

}  // namespace
}  // namespace attune::text
