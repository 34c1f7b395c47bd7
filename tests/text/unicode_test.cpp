#include "text/unicode.h"

#include <gtest/gtest.h>

namespace attune::text {
namespace {

TEST(Unicode, ReplacesMaximalSubparts) {
  // Unicode 15, table 3-8: 61 F1 80 80 E1 80 C2 62 80 63 80 BF 64 → a ? ? ? b ? c ? ? d
  EXPECT_EQ(repair_utf8("a\xF1\x80\x80\xE1\x80\xC2"
                        "b\x80"
                        "c\x80\xBF"
                        "d"),
            "a\uFFFD\uFFFD\uFFFDb\uFFFDc\uFFFD\uFFFDd");
  EXPECT_EQ(repair_utf8("\xC0\xAF"), "\uFFFD\uFFFD");                      // overlong
  EXPECT_EQ(repair_utf8("\xED\xA0\x80"), "\uFFFD\uFFFD\uFFFD");            // surrogate
  EXPECT_EQ(repair_utf8("\xF4\x90\x80\x80"), "\uFFFD\uFFFD\uFFFD\uFFFD");  // beyond U+10FFFF
  EXPECT_EQ(repair_utf8("héllo 😀"), "héllo 😀");
}

TEST(Unicode, TellsIncompleteFromIllFormed) {
  EXPECT_TRUE(is_incomplete_utf8("\xF0\x9F"));
  EXPECT_TRUE(is_incomplete_utf8("\xC3"));
  EXPECT_FALSE(is_incomplete_utf8("\xF0\x80"));  // cannot become well-formed
  EXPECT_FALSE(is_incomplete_utf8("\xFF"));
  EXPECT_FALSE(is_incomplete_utf8("a"));
}

TEST(Unicode, ReadsFromBothEnds) {
  EXPECT_EQ(next_code_point("😀a").value, U'😀');
  EXPECT_EQ(last_code_point("a😀").value, U'😀');
  EXPECT_EQ(last_code_point("a😀").length, 4U);
}

TEST(Unicode, NormalForms) {
  EXPECT_EQ(to_normal_form("e\u0301", NormalForm::kNfc), "é");
  EXPECT_EQ(to_normal_form("é", NormalForm::kNfd), "e\u0301");
  EXPECT_EQ(to_normal_form("ﬁ²", NormalForm::kNfkc), "fi2");
  EXPECT_EQ(to_normal_form("\u0301\u0323", NormalForm::kNfd), "\u0323\u0301");  // by combining class
}

TEST(Unicode, Classes) {
  EXPECT_TRUE(is_white_space(0x3000));
  EXPECT_FALSE(is_white_space(0x180E));
  EXPECT_TRUE(is_numeric(U'½'));
  EXPECT_TRUE(is_punctuation(U'$'));  // ASCII symbols count
  EXPECT_FALSE(is_punctuation(U'€'));
  std::string lower;
  append_lowercase(lower, 0x130);
  EXPECT_EQ(lower, "i\u0307");
}

}  // namespace
}  // namespace attune::text
