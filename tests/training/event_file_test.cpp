#include "training/run/output/event_file.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <limits>

#include "core/files/files.h"

namespace attune::training {
namespace {

namespace fs = std::filesystem;

/// A fresh folder under the temporary one, removed at the end of the test.
class EventFileTest : public testing::Test {
 protected:
  void SetUp() override {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    folder_ = fs::temp_directory_path() / fmt::format("attune_events_{}_{}", test->name(), getpid());
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::string bytes_of(const std::string& path) { return core::read_file(path); }
  static double fixed_time() { return 1700000000.25; }
  int file_count() {
    return static_cast<int>(std::distance(fs::directory_iterator(folder_), fs::directory_iterator{}));
  }

  fs::path folder_;
};

TEST(Crc32c, CheckValues) {
  // The check value of the CRC catalogue, and the masked values that TensorBoard's own writer gives.
  EXPECT_EQ(crc32c("123456789"), 0xe3069283u);
  EXPECT_EQ(masked_crc32c("123456789"), 0xc78ab0e5u);
  EXPECT_EQ(masked_crc32c(std::string(8, '\0')), 0x07980329u);
  EXPECT_EQ(masked_crc32c(""), 0xa282ead8u);
}

TEST(MetricTag, FollowsTransformers) {
  EXPECT_EQ(metric_tag("loss"), "train/loss");
  EXPECT_EQ(metric_tag("rewards/chosen"), "train/rewards/chosen");
  EXPECT_EQ(metric_tag("eval_rewards/chosen"), "eval/rewards/chosen");
}

TEST_F(EventFileTest, FirstRecordIsTheFileVersion) {
  const EventFile file(folder_.string(), fixed_time);
  EXPECT_THAT(fs::path(file.path()).filename().string(),
              testing::StartsWith("events.out.tfevents.1700000000."));
  const std::string bytes = bytes_of(file.path());
  // Event: key 0x09 and the double (9 bytes), key 0x1a, length 13 and "brain.Event:2" (15 bytes): 24 in all.
  ASSERT_EQ(bytes.size(), 8 + 4 + 24 + 4);
  EXPECT_EQ(bytes.substr(0, 8), std::string("\x18\0\0\0\0\0\0\0", 8));
  EXPECT_EQ(bytes[12], '\x09');
  EXPECT_EQ(bytes.substr(21, 15),
            "\x1a\x0d"
            "brain.Event:2");
}

TEST_F(EventFileTest, ScalarBytesByHand) {
  std::string path;
  {
    EventFile file(folder_.string(), fixed_time);
    file.scalar("a", 300, 1.0);
    path = file.path();
  }
  // step: 10 ac02 (300 = 0b10'0101100); summary: 2a 0a; value: 0a 08; tag: 0a 01 'a'; simple_value: 15
  // 0000803f.
  const std::string expected(
      "\x10\xac\x02\x2a\x0a\x0a\x08\x0a\x01"
      "a\x15\0\0\x80\x3f",
      15);
  const std::string bytes = bytes_of(path);
  EXPECT_EQ(bytes.substr(bytes.size() - 4 - 15, 15), expected);
}

TEST_F(EventFileTest, AppendsToTheSameFileAndRepairsATornTail) {
  std::string path, before;
  {
    EventFile file(folder_.string(), fixed_time);
    file.scalar("train/loss", 1, 0.5);
    file.flush();
    path = file.path();
    before = bytes_of(path);
  }
  std::ofstream(path, std::ios::app | std::ios::binary)
      << before.substr(before.size() - 20, 13);  // a kill mid-record
  {
    EventFile file(folder_.string(), fixed_time);
    EXPECT_EQ(file.path(), path);
    file.scalar("train/loss", 2, 0.25);
  }
  const std::string after = bytes_of(path);
  EXPECT_EQ(after.substr(0, before.size()), before);
  EXPECT_GT(after.size(), before.size());
  EXPECT_EQ(file_count(), 1);
}

TEST_F(EventFileTest, DropAfterEqualsNeverWritten) {
  std::string path, until_two;
  {
    EventFile file(folder_.string(), fixed_time);
    for (int step = 1; step <= 5; ++step) {
      file.scalar("train/loss", step, 1.0 / step);
      file.text("samples", step, "**story**");
      if (step == 2) {
        file.flush();
        until_two = bytes_of(file.path());
      }
    }
    path = file.path();
  }
  std::ofstream(path, std::ios::app | std::ios::binary) << "torn";
  EventFile::drop_after(folder_.string(), 2);
  EXPECT_EQ(bytes_of(path), until_two);
  EventFile::drop_after(folder_.string(), 0);
  EXPECT_EQ(bytes_of(path).size(), 40u);  // the file version stays
}

TEST_F(EventFileTest, DropAfterSurvivesGarbage) {
  const std::string path = (folder_ / "events.out.tfevents.0000000001.host.1.0").string();
  std::ofstream(path, std::ios::binary) << std::string(64, '\xff');
  EventFile::drop_after(folder_.string(), 2);
  EXPECT_EQ(bytes_of(path), "");
  fs::remove(path);
  EventFile::drop_after(folder_.string(), 2);  // nothing there: nothing to do
  EXPECT_EQ(file_count(), 0);
}

// Also the input of tests/golden/test_tensorboard.py, which names the folder and reads it with TensorBoard
// itself.
TEST(EventFileGolden, WritesARunThatWasKilledAndResumed) {
  const char* wanted = std::getenv("ATTUNE_EVENT_FOLDER");
  const fs::path folder =
      wanted ? fs::path(wanted) : fs::temp_directory_path() / fmt::format("events_{}", getpid());
  fs::create_directories(folder);
  const auto write = [&](int from, int to) {
    EventFile file(folder.string());
    for (int step = from; step <= to; ++step) {
      file.scalar(metric_tag("loss"), step, 1.0 / step);
      file.scalar(metric_tag("rewards/margins"), step, -0.1 * step);
      if (step % 5 == 0) file.scalar(metric_tag("eval_loss"), step, 2.0 / step);
    }
    file.scalar("train/odd", to, std::numeric_limits<double>::quiet_NaN());
    file.text("samples", to, "**after** Ünïcode\n\n| a | b |");
    file.sync();
  };
  write(1, 12);
  EventFile::drop_after(folder.string(), 10);
  write(11, 300);
  EXPECT_GT(fs::file_size(EventFile(folder.string()).path()), 10000u);
  if (!wanted) fs::remove_all(folder);
}

}  // namespace
}  // namespace attune::training
