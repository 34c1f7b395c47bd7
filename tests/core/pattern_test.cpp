#include "core/pattern.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"

namespace attune::core {
namespace {

constexpr auto kSomewhere = Pattern::Part::kSomewhere, kWhole = Pattern::Part::kWhole;
using Found = Pattern::Found;

TEST(Pattern, MatchesAPartOrTheWhole) {
  const Pattern pattern("a+b", "here");
  EXPECT_EQ(pattern.match("xaabx", kSomewhere), Found::kYes);
  EXPECT_EQ(pattern.match("xaabx", kWhole), Found::kNo);
  EXPECT_EQ(pattern.match("aab", kWhole), Found::kYes);
  EXPECT_EQ(pattern.match("AAB", kWhole), Found::kNo);
  EXPECT_EQ(Pattern("a+b", "here", {.ignore_case = true}).match("AAB", kWhole), Found::kYes);
  EXPECT_TRUE(Pattern("\\w", "here").matches("é", kWhole));
}

std::string failure(const std::string& pattern, const std::string& text) {
  try {
    (void)Pattern(pattern, "rules.yaml:3", {.ignore_case = false, .steps = 1000}).matches(text, kSomewhere);
    return "";
  } catch (const Error& error) {
    return error.what();
  }
}

TEST(Pattern, SaysWhatIsWrongAndWhere) {
  EXPECT_EQ(failure("a", "b"), "");
  EXPECT_THAT(failure("(a", ""), testing::HasSubstr("rules.yaml:3: the pattern '(a' is malformed at byte 3"));
  EXPECT_THAT(failure("(?:.|.)+(?=A|B)", std::string(40, 'x')), testing::HasSubstr("match limit exceeded"));
  EXPECT_THAT(failure("x", "\xFF"), testing::HasSubstr("UTF-8"));
}

TEST(Pattern, MessagesAreCutBetweenCharacters) {
  std::string umlauts;
  for (int i = 0; i < 300; ++i) umlauts += "ä";
  const std::string said = failure("(x" + umlauts.substr(0, 2 * 150), "");
  EXPECT_THAT(said, testing::HasSubstr("ä…'"));
}

TEST(Pattern, GivesUpWhereItIsNoError) {
  const Pattern pattern("(?:.|.)+(?=A|B)", "here", {.ignore_case = false, .steps = 1000});
  EXPECT_EQ(pattern.match(std::string(40, 'x'), kSomewhere), Found::kGaveUp);
}

}  // namespace
}  // namespace attune::core
