#include "core/files.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "core/error.h"

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
