#include "report/report.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "core/error.h"
#include "core/files/files.h"
#include "report/page/html.h"

namespace attune::report {
namespace {

namespace fs = std::filesystem;
using core::Json;
using testing::HasSubstr;
using testing::Not;

TEST(Escape, SpecialAndControlCharacters) {
  EXPECT_EQ(escape("<a href=\"x\">&'"), "&lt;a href=&quot;x&quot;&gt;&amp;&#39;");
  EXPECT_EQ(escape("line\nand\ttab"), "line\nand\ttab");
  EXPECT_EQ(escape(std::string("nul\0!", 5)), "nul\xef\xbf\xbd!");
}

TEST(ScriptJson, NoTextEndsTheElement) {
  const std::string json = script_json(Json{{"text", "</script><!--<script>"}});
  EXPECT_THAT(json, Not(HasSubstr("<")));
  EXPECT_EQ(Json::parse(json)["text"], "</script><!--<script>");
}

TEST(Cut, BetweenCharacters) {
  EXPECT_EQ(cut("abc", 3), "abc");
  EXPECT_EQ(cut("abcd", 3), "abc…");
  EXPECT_EQ(cut("aé", 2), "a…");  // é is two bytes: half of it is no character
}

TEST(FillTemplate, FillsOnceAndDoesNotLookAgain) {
  EXPECT_EQ(fill_template("<{{a}}|{{b}}>", {{"a", "{{b}}"}, {"b", "2"}}), "<{{b}}|2>");
  EXPECT_THROW(fill_template("{{unknown}}", {}), core::Error);
}

ReportInput hostile_input() {
  ReportInput input;
  input.folder_name = "<b>folder";
  input.recipe = "model: \"</pre><script>alert(1)</script>\"\n";
  input.run = Json{{"state", "finished"}, {"<i>", {{"deep", Json::array({1, "</dd><script>"})}}}};
  input.metrics.add_row({{"step", 1}, {"loss", 1.0}, {"rewards/<script>alert(1)</script>/mean", 0.5}});
  input.metrics.add_row({{"step", 2}, {"loss", nullptr}});
  input.samples.push_back(
      {"</script>", "<img src=x onerror=alert(1)>", 0, "</script><script>alert(1)</script>", 1});
  input.extras.notes.push_back("<script>note</script>");
  input.extras.headline.push_back({.name = "<script>", .after = 1, .meaning = "<script>"});
  return input;
}

TEST(Report, HostileTextStaysText) {
  const std::string page = render_report(hostile_input());
  EXPECT_THAT(page, Not(HasSubstr("<script>alert")));
  EXPECT_THAT(page, Not(HasSubstr("<script>note")));
  EXPECT_THAT(page, Not(HasSubstr("<img")));
  EXPECT_THAT(page, Not(HasSubstr("<b>folder")));
  EXPECT_THAT(page, Not(HasSubstr("<i>")));
  // The page's own scripts, and no more: two for data, two for code.
  std::size_t scripts = 0;
  for (std::size_t at = page.find("<script"); at != std::string::npos; at = page.find("<script", at + 1))
    ++scripts;
  EXPECT_EQ(scripts, 4u);
}

TEST(Report, LoadsNothingFromElsewhere) {
  const std::string page = render_report(hostile_input());
  for (const auto* reference : {"src=\"", "@import", "<link", "url(http", "href="}) {
    EXPECT_THAT(page, Not(HasSubstr(reference)));
  }
}

TEST(Report, EmptyRun) {
  const std::string page = render_report({});
  EXPECT_THAT(page, HasSubstr("Nothing has been logged yet."));
  EXPECT_THAT(page, Not(HasSubstr("id=\"samples\"")));
  EXPECT_THAT(page, Not(HasSubstr("id=\"curves\"")));
}

TEST(Report, FiftyThousandRowsStaySmall) {
  ReportInput input;
  for (int step = 1; step <= 50'000; ++step) {
    Json row = {{"step", step}};
    for (int metric = 0; metric < 20; ++metric)
      row[fmt::format("rewards/rule_{}/mean", metric)] = std::sin(step) / step;
    input.metrics.add_row(row);
  }
  EXPECT_LT(render_report(input).size(), 2'000'000u);
}

/// Writes a run folder like the ones of `attune train`: `steps` rows, an evaluation every tenth step, two
/// samplings.
void write_run_folder(const fs::path& folder, int steps) {
  fs::create_directories(folder);
  std::ofstream metrics(folder / "metrics.jsonl");
  for (int step = 1; step <= steps; ++step) {
    metrics << core::to_line(Json{{"step", step}, {"loss", 1.0 / step}, {"num_tokens", 100 * step}}) << "\n";
    if (step % 10 == 0) metrics << core::to_line(Json{{"step", step}, {"eval_loss", 2.0 / step}}) << "\n";
  }
  metrics << "{\"step\": 99";  // a line that is being written
  std::ofstream samples(folder / "samples.jsonl");
  for (const int step : {0, steps}) {
    const Json candidate = {{"completion", fmt::format("text of step {}", step)}, {"reward", step}};
    samples << core::to_line(
                   Json{{"id", "p1"}, {"prompt", "Once"}, {"candidates", {candidate}}, {"step", step}})
            << "\n";
  }
  samples << "not JSON\n";
  std::ofstream(folder / "recipe.yaml") << "method: dpo\n";
  std::ofstream(folder / "run.json") << "{\"state\": \"finished\"}";
}

// Also the way in which tests/e2e/test_report.py has a report written: it names a run folder of its own.
TEST(ReportFolder, IsReadAndWritten) {
  const char* wanted = std::getenv("ATTUNE_RUN_FOLDER");
  if (wanted != nullptr) {
    write_report(wanted);
    return;
  }
  const fs::path folder = fs::temp_directory_path() / fmt::format("attune_run_{}", getpid());
  write_run_folder(folder, 20);
  const ReportInput input = read_run_folder(folder.string());
  ASSERT_NE(input.metrics.find("loss"), nullptr);
  EXPECT_EQ(input.metrics.find("loss")->values.size(), 20u);
  EXPECT_EQ(input.metrics.find("eval_loss")->steps, (std::vector<double>{10, 20}));
  ASSERT_EQ(input.samples.size(), 2u);
  EXPECT_EQ(input.samples[1].completion, "text of step 20");
  EXPECT_EQ(input.samples[1].reward, 20);
  EXPECT_THAT(input.extras.notes, testing::ElementsAre(HasSubstr("1 line of")));
  write_report(folder.string(), {.title = "A title & more"});
  const std::string page = core::read_file((folder / "report.html").string());
  EXPECT_THAT(page, HasSubstr("<h1>A title &amp; more</h1>"));
  EXPECT_THAT(page, HasSubstr("method: dpo"));
  EXPECT_THAT(page, HasSubstr("1 line of"));
  fs::remove_all(folder);
  EXPECT_THROW(read_run_folder(folder.string()), core::Error);
}

}  // namespace
}  // namespace attune::report
