#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>

#include "core/system.h"
#include "data/rows/file/file_content.h"
#include "tests/data/support.h"

namespace attune::data {
namespace {

using record::GroupShape;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class DatasetTest : public ::testing::Test {
 protected:
  Dataset open(const std::string& content, const RowUse& use = RowUse::anything()) {
    options_.path = folder_.write("rows.jsonl", content);
    return Dataset::open(options_, codec_, use, cache());
  }
  std::string cache() const { return folder_.path("cache"); }
  std::vector<std::string> cache_files() const {
    std::vector<std::string> files;
    for (const auto& entry : core::fs::directory_iterator(cache())) files.push_back(entry.path());
    return files;
  }
  support::TemporaryFolder folder_;
  TextCodec codec_ = support::codec(folder_);
  DataOptions options_;
};

RowUse with_pairing(GroupShape shape, const std::string& settings) {
  return {shape, record::make_pairing(core::parse_yaml(settings, "test"))};
}

template <class T>
std::vector<T> copy(std::span<const T> values) {
  return {values.begin(), values.end()};
}

const char* const kPairs =
    "{\"prompt\":\"a\",\"chosen\":\"b\",\"rejected\":\"cd\",\"score_chosen\":2,\"margin\":0.5}\n"
    "{\"prompt\":\"a\",\"chosen\":\"same\",\"rejected\":\"same\"}\n"
    "{\"prompt\":\"a\",\"chosen\":\"\",\"rejected\":\"x\"}\n"
    "{\"prompt\":\"x t\",\"chosen\":\"he\",\"rejected\":\"y\"}\n";

TEST_F(DatasetTest, RowsSummaryAndReasons) {
  const Dataset data = open(kPairs, GroupShape::kPairs);
  ASSERT_EQ(data.size(), 2);
  const TokenizedRow row = data.row(0);
  EXPECT_EQ(row.index, 0);
  EXPECT_THAT(copy(row.prompt), ElementsAre(101));
  EXPECT_THAT(copy(row.candidates[1].completion), ElementsAre(103, 104, 1));
  EXPECT_THAT(copy(row.candidates[1].mask), ElementsAre(1, 1, 1));
  EXPECT_EQ(row.candidates[0].said.rank, 0);
  EXPECT_EQ(row.candidates[0].said.reward, 2);
  EXPECT_EQ(row.candidates[0].said.margin, 0.5);
  EXPECT_FALSE(row.candidates[1].said.reward.has_value());
  EXPECT_EQ(data.row(1).index, 3);
  const auto& summary = data.summary();
  EXPECT_EQ(summary.format, "preference");
  EXPECT_EQ(summary.rows_read, 4);
  EXPECT_EQ(summary.rows_kept, 2);
  EXPECT_EQ(summary.dropped.at("chosen equal to rejected"), 1);
  EXPECT_EQ(summary.dropped.at("empty completion"), 1);
  EXPECT_EQ(summary.straddling, 1);
  // Row 0: a b </s> and a c d </s> = 7; row 3: prompt x twice, " the </s>" 3, " t y </s>" 3 = 8.
  EXPECT_EQ(summary.tokens, 15);
  EXPECT_EQ(summary.trained_tokens, 2 + 3 + 3 + 3);
}

TEST_F(DatasetTest, EveryFieldSurvivesTheCache) {
  const Dataset data = open(
      R"({"prompt_ids":[5],"candidates":[{"completion_ids":[6,7],"completion_mask":[0,1],"rank":1.5,"label":false,)"
      R"("reward":-2,"margin":0.25,"preference":0.75,"weight":3,"steps":["a","b"],"step_scores":[0.5,1],)"
      R"("sampling_logps":[-1,-2]},{"completion_ids":[8]}]})");
  const TokenizedRow row = data.row(0);
  const auto& c = row.candidates[0];
  EXPECT_EQ(c.said.rank, 1.5);
  EXPECT_EQ(c.said.label, false);
  EXPECT_EQ(c.said.reward, -2);
  EXPECT_EQ(c.said.margin, 0.25);
  EXPECT_EQ(c.said.preference, 0.75);
  EXPECT_EQ(c.said.weight, 3);
  EXPECT_THAT(c.said.step_scores, ElementsAre(0.5, 1));
  EXPECT_EQ(c.step_ends.size(), 2U);
  EXPECT_THAT(copy(c.old_logps), ElementsAre(-1, -2));
  EXPECT_THAT(copy(c.mask), ElementsAre(0, 1));
  EXPECT_FALSE(row.candidates[1].said.label.has_value());
  EXPECT_THAT(copy(row.candidates[1].old_logps), IsEmpty());
}

TEST_F(DatasetTest, OldLogProbsAreTheSamplersElseThoseOfTheRecord) {
  const std::string begin = R"({"prompt_ids":[5],"candidates":[{"completion_ids":[6,7],"logps":[-3,-4])";
  EXPECT_THAT(copy(open(begin + "}]}").row(0).candidates[0].old_logps), ElementsAre(-3, -4));
  EXPECT_THAT(copy(open(begin + R"(,"sampling_logps":[-1,-2]}]})").row(0).candidates[0].old_logps),
              ElementsAre(-1, -2));
}

TEST_F(DatasetTest, SamplingLogProbsAreCutWithTheCompletion) {
  options_.max_length = 3;
  const std::string row =
      R"({"prompt_ids":[5],"candidates":[{"completion_ids":[6,7,8],"sampling_logps":[-1,-2,-3]}]})";
  EXPECT_THAT(copy(open(row).row(0).candidates[0].old_logps), ElementsAre(-1, -2));
  options_.truncation = "keep_end";
  EXPECT_THAT(copy(open(row).row(0).candidates[0].old_logps), ElementsAre(-1, -2, -3));
  options_.max_length = 2;
  EXPECT_THAT(copy(open(row).row(0).candidates[0].old_logps), ElementsAre(-2, -3));
}

TEST_F(DatasetTest, NeedsAreFilledInFromOtherFeedback) {
  const char* const rated = R"({"prompt":"p","responses":["a","b","c"],"scores":[1,3,3]})";
  const auto best_worst = open(rated, GroupShape::kPairs).row(0);
  ASSERT_EQ(best_worst.candidates.size(), 2U);  // in the order of the record; c is in no pair
  EXPECT_EQ(best_worst.candidates[0].said.rank, 1);
  EXPECT_EQ(best_worst.candidates[1].said.rank, 0);
  const auto ranked = open(rated, with_pairing(GroupShape::kPairs, "all"));
  ASSERT_EQ(ranked.row(0).candidates.size(), 3U);
  EXPECT_EQ(ranked.row(0).candidates[2].said.rank, 0);
  EXPECT_EQ(ranked.summary().pairs, 2);
  const auto labels = open(kPairs, GroupShape::kLabels).row(0);
  EXPECT_EQ(labels.candidates[0].said.label, true);
  EXPECT_EQ(labels.candidates[1].said.label, false);
  const auto rewards = open(R"({"prompt":"p","completion":"c","label":true})", GroupShape::kGroups).row(0);
  EXPECT_EQ(rewards.candidates[0].said.reward, 1);
  const auto prompts = open(kPairs, RowUse::prompts());
  EXPECT_EQ(prompts.size(), 4);
  EXPECT_TRUE(prompts.row(0).candidates.empty());
}

TEST_F(DatasetTest, NeedsThatAreNotMet) {
  EXPECT_EQ(open(R"({"prompt":"p","completion":"c"})", GroupShape::kPairs)
                .summary()
                .dropped.at("no pair of completions"),
            1);
  EXPECT_EQ(open(R"({"prompt":"p","completion":"c"})", GroupShape::kLabels).summary().dropped.at("no labels"),
            1);
  EXPECT_EQ(open(R"({"prompt":"p"})", GroupShape::kDemonstrations).summary().dropped.at("no completion"), 1);
  EXPECT_EQ(open(R"({"prompt":"p","response_a":"x","response_b":"y","winner":"tie"})", GroupShape::kPairs)
                .summary()
                .dropped.at("all candidates tie"),
            1);
}

TEST_F(DatasetTest, MalformedRowsStopAndLeaveNothingBehind) {
  const std::string content = "{\"prompt\":\"a\",\"completion\":\"b\"}\n{\"prompt\":\"a\"}\n";
  EXPECT_THAT(support::request_error([&] { open(content); }), HasSubstr("rows.jsonl:2"));
  EXPECT_THAT(cache_files(), IsEmpty());
  options_.on_error = "skip";
  const auto data = open(content);
  EXPECT_EQ(data.size(), 1);
  EXPECT_EQ(data.summary().dropped.at("malformed: column missing"), 1);
}

TEST_F(DatasetTest, TheCacheIsReusedUntilSomethingChanges) {
  const auto first = open(kPairs).summary().fingerprint;
  const std::string file = cache_files().at(0);
  const auto written = core::fs::last_write_time(file);
  EXPECT_EQ(open(kPairs).summary().fingerprint, first);
  EXPECT_EQ(core::fs::last_write_time(file), written);
  const auto differs = [&](auto change) {
    change();
    const bool other = open(kPairs).summary().fingerprint != first;
    options_ = DataOptions();
    codec_ = support::codec(folder_);
    return other;
  };
  EXPECT_TRUE(differs([&] { options_.max_length = 5; }));
  EXPECT_TRUE(differs([&] { options_.append_eos = false; }));
  EXPECT_TRUE(differs([&] { options_.limit = 1; }));
  EXPECT_TRUE(differs([&] { codec_.chat_template.reset(); }));
  EXPECT_TRUE(differs([&] { codec_ = support::codec(folder_, true); }));
  EXPECT_FALSE(differs([] {}));
  EXPECT_NE(open(R"({"prompt":"a","chosen":"b","rejected":"c"})").summary().fingerprint, first);
}

TEST_F(DatasetTest, ACacheMadeElsewhereTellsOfTheFilesThatAreRead) {
  open(kPairs, GroupShape::kPairs);
  const std::string file = cache_files().at(0);
  options_.path = folder_.write("moved.jsonl", kPairs);
  const auto summary = Dataset::open(options_, codec_, GroupShape::kPairs, cache()).summary();
  EXPECT_THAT(cache_files(), ElementsAre(file));
  for (const auto& [reason, places] : summary.dropped_examples)
    EXPECT_THAT(places.at(0), HasSubstr(folder_.path("moved.jsonl:"))) << reason;
  EXPECT_THAT(summary.dropped_examples, ::testing::SizeIs(2));
}

/// Lines of a file, as file_contents() counts them, vouch for it.
TEST_F(DatasetTest, AFileWhoseContentIsKnownIsNotReadOnceMore) {
  options_.path = folder_.write("rows.jsonl", kPairs);
  const auto contents = file_contents(options_);
  ASSERT_EQ(contents.size(), 1u);
  EXPECT_EQ(contents[0].rows.size(), 4u);
  const KnownContent known = {{contents[0].path, contents[0].fingerprint}};
  ASSERT_EQ(Dataset::open(options_, codec_, GroupShape::kPairs, cache(), known).size(), 2);
  const auto files = cache_files();
  EXPECT_EQ(Dataset::open(options_, codec_, GroupShape::kPairs, cache()).size(),
            2);  // the same key by itself
  EXPECT_EQ(cache_files(), files);
  folder_.write("rows.jsonl", "{\"prompt\":\"a\",\"chosen\":\"b\",\"rejected\":\"cd\"}\n");
  EXPECT_EQ(Dataset::open(options_, codec_, GroupShape::kPairs, cache(), known).size(), 2);
  EXPECT_NE(file_contents(options_)[0].fingerprint, contents[0].fingerprint);
}

TEST_F(DatasetTest, ADamagedOrTruncatedCacheIsMadeAnew) {
  open(kPairs, GroupShape::kPairs);
  const std::string file = cache_files().at(0), whole = core::read_file(file);
  const auto damaged = [&](const std::string& content) {
    core::write_file_atomically(file, content);
    const Dataset data = open(kPairs, GroupShape::kPairs);
    EXPECT_EQ(data.row(0).candidates.at(1).completion[0], 103);
    return core::read_file(file) == whole;
  };
  for (std::size_t at = 0; at < whole.size(); at += 3) {  // any byte of the file
    std::string bytes = whole;
    bytes[at] = static_cast<char>(bytes[at] ^ 0x40);
    EXPECT_TRUE(damaged(bytes)) << at;
  }
  for (const std::size_t size :
       {std::size_t{0}, std::size_t{7}, std::size_t{64}, whole.size() / 2, whole.size() - 8})
    EXPECT_TRUE(damaged(whole.substr(0, size))) << size;
  EXPECT_TRUE(damaged(whole + std::string(64, '\0')));
}

TEST_F(DatasetTest, MixturesRepeatRows) {
  const auto a = folder_.write("a.jsonl", "{\"text\":\"aaa\"}\n{\"text\":\"bbb\"}\n");
  options_.path = core::Json::array({core::Json{{"path", a}, {"weight", 2}}});
  const Dataset data = Dataset::open(options_, codec_, RowUse::anything(), cache());
  ASSERT_EQ(data.size(), 4);
  EXPECT_EQ(data.row(1).index, 0);
  EXPECT_EQ(data.row(2).index, 1);
  EXPECT_EQ(data.summary().rows_read, 2);
  EXPECT_EQ(data.summary().rows_kept, 4);
}

TEST_F(DatasetTest, AMixtureNamesTheFormatOfEveryEntryOnce) {
  // The name of the second format stands within that of the first.
  const auto implicit =
      folder_.write("implicit.jsonl", "{\"chosen\":\"Human: a b\",\"rejected\":\"Human: a c\"}\n");
  const auto plain = folder_.write("plain.jsonl", kPairs);
  options_.path = core::Json::array({implicit, plain, implicit});
  const Dataset data = Dataset::open(options_, codec_, GroupShape::kPairs, cache());
  EXPECT_EQ(data.summary().format, "implicit_preference, preference");
}

/// Peak memory (VmHWM) of a child process that opens a file of `megabytes` and reads every row, in MB; -1 on
/// failure.
double peak_of_child(const DataOptions& options, const TextCodec& codec, const std::string& cache) {
  int pipe_ends[2];
  if (::pipe(pipe_ends) != 0) return -1;
  const pid_t child = ::fork();
  if (child == 0) {
    std::ofstream("/proc/self/clear_refs") << "5";  // VmHWM starts again from the present memory
    const Dataset data = Dataset::open(options, codec, RowUse::anything(), cache);
    std::int64_t sum = 0;
    for (std::int64_t i = 0; i < data.size(); ++i) {
      const TokenizedRow row = data.row(i * 7919 % data.size());
      for (const std::int32_t id : row.candidates[0].completion) sum += id;
    }
    const double peak = sum > 0 ? core::peak_rss_mb() : -1;
    const bool sent = ::write(pipe_ends[1], &peak, sizeof peak) == sizeof peak;
    ::_exit(sent ? 0 : 1);
  }
  double peak = -1;
  ::close(pipe_ends[1]);
  if (::read(pipe_ends[0], &peak, sizeof peak) != sizeof peak) peak = -1;
  ::close(pipe_ends[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  return peak;
}

TEST_F(DatasetTest, MemoryDoesNotGrowWithTheFile) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "AddressSanitizer keeps freed memory";
#endif
  // 30 MB of text become 120 MB of ids and 30 MB of masks, so that the part of the map that is held
  // between two give-backs (32 MiB) is well below the whole. Set ATTUNE_BIG_DATA_MB for larger files.
  const char* wanted = std::getenv("ATTUNE_BIG_DATA_MB");
  const std::int64_t megabytes = wanted != nullptr ? std::atoll(wanted) : 30;
  const std::string line = "{\"text\":\"" + std::string(10000, 'x') + "\"}\n";
  options_.path = folder_.path("big.jsonl");
  {
    std::ofstream file(folder_.path("big.jsonl"));
    for (std::int64_t written = 0; written < megabytes * 1000000; written += std::ssize(line)) file << line;
  }
  options_.max_length = 0;
  const double peak = peak_of_child(options_, codec_, cache());
  ASSERT_GT(peak, 0);
  EXPECT_LT(peak, 120);
}

}  // namespace
}  // namespace attune::data
