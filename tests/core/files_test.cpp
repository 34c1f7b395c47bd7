#include "core/files/files.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>

#include "core/error.h"
#include "core/interrupt.h"

namespace attune::core {
namespace {

/// A folder of its own for every test.
class WriteFile : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = (fs::path(::testing::TempDir()) / fmt::format("attune-files-{}", ::getpid())).string();
    fs::remove_all(folder_);
    fs::create_directories(folder_);
    write_file_atomically(path(), "old");
  }
  void TearDown() override { fs::remove_all(folder_); }
  std::string path() const { return folder_ + "/a.txt"; }
  /// Whether the file is all there is.
  bool alone() const { return std::distance(fs::directory_iterator(folder_), {}) == 1; }
  std::string folder_;
};

TEST_F(WriteFile, ReplacesTheOldContent) {
  write_file_atomically(path(), "new");
  EXPECT_EQ(read_file(path()), "new");
  EXPECT_TRUE(alone());
}

TEST_F(WriteFile, AFailureLeavesTheOldContentAndNothingElse) {
  const auto stop_half_way = [](const Sink& sink) {
    sink("half");
    fail_run("stop");
  };
  EXPECT_THROW(write_file_atomically(path(), stop_half_way), Error);
  EXPECT_EQ(read_file(path()), "old");
  EXPECT_TRUE(alone());
}

/// A signal ends the program at once where nobody waits for it, and the second one where somebody does.
TEST_F(WriteFile, ASignalLeavesTheOldContentAndNothingElse) {
  const auto stopped_half_way = [&](int signals) {
    write_file_atomically(path(), [&](const Sink& sink) {
      sink("half");
      for (int i = 0; i < signals; ++i) std::raise(SIGINT);
    });
  };
  EXPECT_EXIT(stopped_half_way(1), ::testing::ExitedWithCode(130), "stopped at once");
  EXPECT_EXIT(
      {
        const InterruptGuard guard;
        stopped_half_way(2);
      },
      ::testing::ExitedWithCode(130), "stopped at once");
  EXPECT_EQ(read_file(path()), "old");
  EXPECT_TRUE(alone());
}

TEST_F(WriteFile, UnderAGuardTheFirstSignalLetsTheWriterFinish) {
  const InterruptGuard guard;
  ::testing::internal::CaptureStderr();
  write_file_atomically(path(), [](const Sink& sink) {
    std::raise(SIGTERM);
    sink("whole");
  });
  EXPECT_NE(::testing::internal::GetCapturedStderr().find("press Ctrl-C again"), std::string::npos);
  EXPECT_EQ(read_file(path()), "whole");
}

TEST_F(WriteFile, FollowsALink) {
  const std::string link = folder_ + "/link";
  fs::create_symlink("a.txt", link);
  write_file_atomically(link, "new");
  EXPECT_TRUE(fs::is_symlink(link));
  EXPECT_EQ(read_file(path()), "new");
}

TEST_F(WriteFile, ADeviceStaysADevice) {
  write_file_atomically("/dev/null", "gone");
  EXPECT_TRUE(fs::is_character_file("/dev/null"));
  try {
    write_file_atomically("/dev/full", "too much");
    FAIL() << "/dev/full took bytes";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kRun);
    EXPECT_NE(std::string(error.what()).find("No space left"), std::string::npos);
  }
  EXPECT_TRUE(fs::is_character_file("/dev/full"));
}

}  // namespace
}  // namespace attune::core
