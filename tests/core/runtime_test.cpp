// Threads, progress, interrupts, the machine.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <numeric>
#include <regex>
#include <stdexcept>
#include <thread>

#include "core/error.h"
#include "core/interrupt.h"
#include "core/progress.h"
#include "core/system.h"
#include "core/threads.h"

namespace attune::core {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(Threads, PartsCoverEverythingOnce) {
  for (const std::int64_t count : {0, 1, 5, 64, 1000}) {
    for (const std::int64_t workers : {1, 2, 3, 7}) {
      std::int64_t at = 0;
      for (std::int64_t i = 0; i < workers; ++i) {
        const Part part = part_of(count, workers, i);
        EXPECT_EQ(part.begin, at);
        EXPECT_LE(part.end - part.begin, (count + workers - 1) / workers);
        at = part.end;
      }
      EXPECT_EQ(at, count);
    }
  }
}

TEST(Threads, ParallelForVisitsEachItemAndReportsTheFirstError) {
  std::vector<int> seen(1001);
  parallel_for(1001, 4, [&](std::int64_t, std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) ++seen[static_cast<std::size_t>(i)];
  });
  EXPECT_EQ(std::accumulate(seen.begin(), seen.end(), 0), 1001);
  EXPECT_EQ(*std::max_element(seen.begin(), seen.end()), 1);
  try {
    parallel_for(8, 4, [](std::int64_t worker, std::int64_t, std::int64_t) {
      if (worker > 0) throw std::runtime_error(std::to_string(worker));
    });
    FAIL() << "no exception";
  } catch (const std::runtime_error& error) {
    EXPECT_STREQ(error.what(), "1");
  }
  parallel_for(0, 4, [](auto, auto, auto) { FAIL() << "called without items"; });
}

TEST(ProgressText, ShowsShareRateAndTimeLeft) {
  // 150 of 200 at 2.5 a second: 75 %, 50 left take 20 s.
  const std::string text = progress_text("training", 150, 200, "step", 2.5, "loss 0.41", 100, true);
  EXPECT_THAT(text, HasSubstr("75% 150/200 steps  2.5 steps/s  20 s left  loss 0.41"));
  EXPECT_THAT(text, HasSubstr("█"));
  EXPECT_THAT(progress_text("x", 1, 4, "row", 0.5, "", 80, false),
              HasSubstr("25% 1/4 rows  2.0 s/row  6.0 s left"));
  EXPECT_EQ(progress_text("reading", 12, 0, "row", 0, "", 80, true), "reading  12 rows");
  EXPECT_EQ(progress_text("writing", 65512, 0, "token", 12773, "", 80, true),
            "writing  65,512 tokens  12,773 tokens/s");
  // Too narrow for the bar, then for the text.
  EXPECT_THAT(progress_text("training", 150, 200, "step", 2.5, "loss 0.41", 60, true), Not(HasSubstr("█")));
  EXPECT_EQ(progress_text("training", 150, 200, "step", 2.5, "", 12, true), "training   7");
}

TEST(ProgressText, IsQuietWhenAsked) {
  testing::internal::CaptureStderr();
  {
    Progress quiet("a", 2, "step", ProgressStyle::kQuiet);
    quiet.update(1);
    quiet.finish();
  }
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  testing::internal::CaptureStderr();
  {
    Progress lines("a", 1000, "step", ProgressStyle::kLines);
    for (int i = 1; i <= 1000; ++i) lines.update(i);
    lines.finish("done");
  }
  const std::string text = testing::internal::GetCapturedStderr();
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 2);  // the first and the last state
  EXPECT_THAT(text, HasSubstr("100% 1,000/1,000 steps"));
  EXPECT_THAT(text, Not(HasSubstr("\r")));
}

TEST(ProgressText, AllRatesOfALineAreByItsTime) {
  testing::internal::CaptureStderr();
  {
    Progress lines("a", 1000, "step", ProgressStyle::kLines);
    lines.begin(500);
    lines.also(4000, "tokens");
    std::this_thread::sleep_for(std::chrono::milliseconds(500));
    lines.update(1000, "loss 1");
    lines.finish();
  }
  const std::string text = testing::internal::GetCapturedStderr();
  const std::string last = text.substr(text.rfind('\n', text.size() - 2) + 1);
  const auto number_before = [&](const std::string& what) {
    const std::size_t end = last.find(what);
    std::string digits;
    for (std::size_t i = end; i-- > 0 && last[i] != ' ';)
      if (last[i] != ',') digits.insert(digits.begin(), last[i]);
    return std::stod(digits);
  };
  ASSERT_THAT(last, HasSubstr(" s\n"));
  const double steps = number_before(" steps/s"), tokens = number_before(" tokens/s"),
               seconds = std::stod(last.substr(last.find("  in ") + 5));
  EXPECT_NEAR(tokens, 8 * steps, 8 + 0.5) << last;  // steps are cut to whole ones
  EXPECT_NEAR(seconds * tokens, 4000, 0.05 * tokens + 1) << last;
}

TEST(Interrupt, TheFirstSignalSetsAFlag) {
  testing::internal::CaptureStderr();
  {
    InterruptGuard guard;
    EXPECT_FALSE(interrupt_requested());
    std::raise(SIGINT);
    EXPECT_TRUE(interrupt_requested());
    EXPECT_THROW(stop_if_interrupted(), Error);
  }
  InterruptGuard fresh;
  EXPECT_FALSE(interrupt_requested());
  EXPECT_THAT(testing::internal::GetCapturedStderr(), HasSubstr("again"));
}

TEST(InterruptDeathTest, TheSecondSignalEndsAtOnce) {
  EXPECT_EXIT(
      {
        InterruptGuard guard;
        std::raise(SIGINT);
        std::raise(SIGINT);
      },
      testing::ExitedWithCode(130), "stopped at once");
}

TEST(System, TellsTimeMemoryAndVersions) {
  EXPECT_TRUE(std::regex_match(iso_time(), std::regex(R"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)")));
  const double before = peak_rss_mb();
  EXPECT_GT(before, 1.0);
  {
    std::vector<char> block(64'000'000, 1);
    EXPECT_GE(peak_rss_mb(), before + 30);
  }
  EXPECT_GE(peak_rss_mb(), before + 30);  // a peak stays
  EXPECT_EQ(library_versions()["attune"], program_version());
  EXPECT_GE(machine()["cores"].get<int>(), 1);
}

TEST(System, WritesForPeople) {
  EXPECT_EQ(human_seconds(0.42), "0.4 s");
  EXPECT_EQ(human_seconds(59.4), "59 s");
  EXPECT_EQ(human_seconds(185), "3m 05s");
  EXPECT_EQ(human_seconds(3725), "1h 02m");
  EXPECT_EQ(human_seconds(-1), "?");
  EXPECT_EQ(human_count(0), "0");
  EXPECT_EQ(human_count(999), "999");
  EXPECT_EQ(human_count(1234567), "1,234,567");
  EXPECT_EQ(human_count(-1234), "-1,234");
  EXPECT_EQ(human_count(-123), "-123");
  EXPECT_EQ(counted(0, "row"), "0 rows");
  EXPECT_EQ(counted(1, "row"), "1 row");
  EXPECT_EQ(counted(1234, "token"), "1,234 tokens");
}

}  // namespace
}  // namespace attune::core
