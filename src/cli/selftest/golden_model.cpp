// Tokens and their log-probabilities under the bundled model against transformers', computed beforehand
// (assets/selftest/log_probabilities.json).
#include <algorithm>
#include <cmath>

#include "cli/assets.h"
#include "cli/selftest_check.h"
#include "generation/scorer.h"
#include "text/tokenizer/tokenizer.h"

namespace attune::cli {
namespace {

constexpr double kLogpTolerance = 1e-4;  // float32 against float64

class GoldenModel : public SelftestCheck {
 public:
  std::string title() const override { return "golden model"; }

  SelftestResult run(const SelftestBench& bench) const override {
    const core::Json golden = core::read_json_file(asset_path("selftest/log_probabilities.json"));
    const std::string oracle = golden.at("oracle");
    const auto tokenizer = text::Tokenizer::load(bench.model_folder);
    std::vector<data::PackItem> items;
    std::vector<double> theirs;
    for (const auto& item : golden.at("texts")) {
      const auto text = item.at("text").get<std::string>();
      const auto ids = item.at("ids").get<std::vector<std::int32_t>>();
      if (tokenizer.encode(text) != ids)
        return {false, "other tokens than " + oracle + " has for: " + text.substr(0, 60), {}};
      items.push_back(
          generation::text_item(std::span(ids).first(1), std::span(ids).subspan(1), std::ssize(items)));
      for (const auto& logp : item.at("logps")) theirs.push_back(logp);
    }
    const model::Model model = bench.load();
    const generation::Scorer scorer(model, model::Weights::kPolicy, {});
    double worst = 0;
    std::size_t tokens = 0;
    for (const auto& logps : scorer.logps(items))
      for (const double logp : logps) worst = std::max(worst, std::abs(logp - theirs.at(tokens++)));
    auto result = SelftestResult::within(
        worst, kLogpTolerance,
        "log-probabilities of " + std::to_string(tokens) + " tokens against " + oracle);
    result.numbers["tokens"] = tokens;
    return result;
  }
};

}  // namespace

std::unique_ptr<SelftestCheck> selftest_golden_model() { return std::make_unique<GoldenModel>(); }

}  // namespace attune::cli
