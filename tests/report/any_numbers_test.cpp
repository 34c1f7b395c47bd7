// Whatever stands in metrics.jsonl, there is a report.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "report/finding/findings.h"
#include "report/report.h"

namespace attune::report {
namespace {

using core::Json;
using testing::HasSubstr;
using testing::Not;

/// The data of the charts, as their script parses it.
Json curve_data(const std::string& page) {
  const std::string mark = "id=\"curve-data\">";
  const std::size_t begin = page.find(mark) + mark.size();
  return Json::parse(page.substr(begin, page.find("</script>", begin) - begin));
}

void expect_sound(const std::string& page) {
  EXPECT_TRUE(page.ends_with("</html>\n"));
  EXPECT_THAT(page, Not(HasSubstr("=\"nan")));
  EXPECT_THAT(page, Not(HasSubstr("=\"inf")));
  EXPECT_THAT(page, Not(HasSubstr("=\"-inf")));
  EXPECT_TRUE(curve_data(page).is_array());
}

TEST(AnyNumbers, SubnormalNumbersAreDrawn) {  // a loss that has collapsed
  ReportInput input;
  for (int step = 1; step <= 12; ++step)
    input.metrics.add_row({{"step", step}, {"loss", step == 1 ? 0.693 : 3e-310}, {"grad_norm", 5e-324}});
  const Json data = curve_data(render_report(input));
  EXPECT_EQ(data[0]["lines"][0]["y"][1], 3e-310);
  EXPECT_EQ(data[1]["lines"][0]["y"][0], 5e-324);
}

TEST(AnyNumbers, NothingButNegativeZero) {
  ReportInput input;
  for (int step = 0; step < 3; ++step) input.metrics.add_row({{"step", step}, {"loss", -0.0}});
  expect_sound(render_report(input));
  EXPECT_EQ(readable(-0.0), "0");
  EXPECT_EQ(readable_change(-0.0), "0");
}

TEST(AnyNumbers, StepsAndNormsAtTheEndsOfTheRange) {
  ReportInput input;
  input.metrics.add_row({{"step", -1e308}, {"grad_norm/a", 1e-320}, {"step_seconds", 1e308}});
  input.metrics.add_row({{"step", 1e308}, {"grad_norm/a", 1e308}, {"num_tokens", -1e308}});
  expect_sound(render_report(input));
}

TEST(AnyNumbers, RandomRows) {
  const double special[] = {0, -0.0, 1e308, -1e308, 1e-320, -1e-320, 5e-324, 1, -1, 0.5, 1e13, 1e100, 1e15};
  const char* names[] = {"loss",
                         "eval_loss",
                         "kl",
                         "reward",
                         "reward_std",
                         "rewards/margins",
                         "rewards/accuracies",
                         "eval_rewards/accuracies",
                         "rewards/chosen",
                         "logps/chosen",
                         "grad_norm",
                         "grad_norm/layers.0",
                         "grad_norm/layers.1",
                         "entropy",
                         "completions/mean_length",
                         "completions/clipped_ratio",
                         "frac_reward_zero_std",
                         "clip_ratio/region_mean",
                         "num_tokens",
                         "step_seconds",
                         "epoch",
                         "something else"};
  std::mt19937 random(1);
  const auto draw = [&](int below) { return static_cast<int>(random() % static_cast<unsigned>(below)); };
  for (int round = 0; round < 300; ++round) {
    ReportInput input;
    const int rows = draw(4) == 0 ? 1 : draw(40);
    for (int i = 0; i < rows; ++i) {
      Json row = {{"step", draw(9) == 0 ? special[draw(13)] : i}};
      for (const char* name : names) {
        const int kind = draw(6);
        if (kind == 0) row[name] = nullptr;
        if (kind == 1) row[name] = special[draw(13)];
        if (kind >= 3) row[name] = draw(100) / 50.0;
      }
      input.metrics.add_row(row);
    }
    expect_sound(render_report(input));
    for (const auto& text : warnings_of(input)) EXPECT_THAT(text, Not(HasSubstr("nan")));
  }
}

TEST(AnyNumbers, AMillionRows) {
  ReportInput input;
  Json row = {{"step", 0}, {"loss", 1.0}, {"grad_norm", 1.0}};
  for (int step = 1; step <= 1'000'000; ++step) {
    row["step"] = step;
    row["loss"] = 1.0 / step;
    input.metrics.add_row(row);
  }
  const std::string page = render_report(input);
  expect_sound(page);
  EXPECT_LT(page.size(), 400'000u);
}

}  // namespace
}  // namespace attune::report
