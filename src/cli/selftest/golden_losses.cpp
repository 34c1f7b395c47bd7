// Losses and gradients of the methods against TRL's, computed beforehand (assets/selftest/methods.json).
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "algorithm/fixture/fixture.h"
#include "cli/assets.h"
#include "cli/selftest_check.h"
#include "core/error.h"

namespace attune::cli {
namespace {

constexpr double kLossTolerance = 1e-9;  // relative; everything is float64

double relative(double ours, double theirs) {
  return std::abs(ours - theirs) / std::max(1.0, std::abs(theirs));
}

/// Coefficients stand under the name of the signal that they belong to: log-probabilities, or scores.
double coefficients_apart(const core::Json& ours, const core::Json& theirs) {
  const auto key = ours.contains("coefficients") && !ours.at("coefficients").empty() ? "coefficients"
                                                                                     : "score_coefficients";
  const auto mine = ours.at(key).get<std::vector<double>>(), wanted = theirs.get<std::vector<double>>();
  if (mine.size() != wanted.size()) return std::nan("");
  double worst = 0;
  for (std::size_t i = 0; i < mine.size(); ++i) worst = std::max(worst, relative(mine[i], wanted[i]));
  return worst;
}

double apart(const core::Json& item, const std::string& where) {
  core::Json setting = item.at("options");
  setting["name"] = item.at("method");
  const auto method = algorithm::make_method(core::Value::from_json(setting, where));
  const auto ours = algorithm::explain_fixture(
      algorithm::parse_fixture({{"candidates", item.at("candidates")}}, where), *method, where);
  double worst = relative(ours.at("loss"), item.at("loss"));
  for (std::size_t i = 0; i < item.at("coefficients").size(); ++i) {
    const double difference = coefficients_apart(ours.at("candidates").at(i), item.at("coefficients").at(i));
    if (std::isnan(difference)) return difference;
    worst = std::max(worst, difference);
  }
  return worst;
}

class GoldenLosses : public SelftestCheck {
 public:
  std::string title() const override { return "golden losses"; }

  SelftestResult run(const SelftestBench&) const override {
    const std::string path = asset_path("selftest/methods.json");
    const core::Json golden = core::read_json_file(path);
    std::set<std::string> methods;
    double worst = 0;
    for (const auto& item : golden.at("cases")) {
      const double difference = apart(item, path);
      if (!(difference <= kLossTolerance)) {
        return SelftestResult::within(
            difference, kLossTolerance,
            item.at("method").get<std::string>() + " against " + golden.at("oracle").get<std::string>());
      }
      worst = std::max(worst, difference);
      methods.insert(item.at("method"));
    }
    auto result = SelftestResult::within(
        worst, kLossTolerance,
        fmt::format("{} methods against {}", methods.size(), golden.at("oracle").get<std::string>()));
    result.numbers["cases"] = golden.at("cases").size();
    return result;
  }
};

}  // namespace

std::unique_ptr<SelftestCheck> selftest_golden_losses() { return std::make_unique<GoldenLosses>(); }

}  // namespace attune::cli
