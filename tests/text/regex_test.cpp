#include "text/tokenizer/stage/regex.h"

#include <gtest/gtest.h>

#include "core/error.h"
#include "text/tokenizer/stage/pattern.h"

namespace attune::text {
namespace {

/// All ranges of the pattern on the text; matches in brackets.
std::string marked(const std::string& pattern, const std::string& text) {
  RegexScratch scratch;
  std::string out;
  Pattern::regex(pattern, "test")
      .for_each_range(text, scratch, [&](std::size_t begin, std::size_t end, bool is_match) {
        const std::string part = text.substr(begin, end - begin);
        out += is_match ? "[" + part + "]" : part;
      });
  return out;
}

TEST(Regex, ClassesFollowOniguruma) {
  EXPECT_EQ(marked(R"(\s)", "a\u3000b\u180Ec"), "a[\u3000]b\u180Ec");
  EXPECT_EQ(marked(R"(\h+)", "xFFg"), "x[FF]g");               // a hex digit, not a space
  EXPECT_EQ(marked(R"(\p{Han}+)", "漢字、カ"), "[漢字]、カ");  // the script, without its extensions
  EXPECT_EQ(marked(R"([^\s\p{L}]+)", "a1 2b"), "a[1] [2]b");
  EXPECT_EQ(marked(R"(^b$)", "a\nb\nc"), "a\n[b]\nc");  // lines, always
  EXPECT_EQ(marked(R"((?m:a.b))", "a\nb"), "[a\nb]");   // (?m) is dot-all
  EXPECT_EQ(marked(R"(\u3042)", "xあ"), "x[あ]");
}

TEST(Regex, EmptyMatchesCutButNotRightAfterAMatch) { EXPECT_EQ(marked("b*", "abbc"), "[]a[bb]c[]"); }

TEST(Regex, RefusesWhatItCannotExpress) {
  for (const char* pattern : {"[a[bc]]", "[a&&b]", "a{1,2}+", "(", R"(\p{Nonsense})", "\\"}) {
    EXPECT_THROW(Regex(pattern, "test"), core::Error) << pattern;
  }
}

TEST(Regex, ReplacesLiterals) {
  RegexScratch scratch;
  EXPECT_EQ(Pattern::literal("ab").replace("abcab", "-", scratch), "-c-");
  EXPECT_EQ(Pattern::literal("").replace("abc", "-", scratch), "abc");
}

}  // namespace
}  // namespace attune::text
