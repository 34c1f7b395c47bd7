// The sampler's log-probabilities are the trainer's, on one thread as on many, and the same threads give the
// same bits.
#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>

#include "cli/selftest_check.h"
#include "generation/generator.h"
#include "generation/scorer.h"

namespace attune::cli {
namespace {

constexpr double kSamplerTolerance = 1e-4;
constexpr std::size_t kPrompts = 8;

using Numbers = std::vector<std::vector<double>>;

double apart(const Numbers& a, const Numbers& b) {
  double worst = a.size() == b.size() ? 0 : std::nan("");
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    if (a[i].size() != b[i].size()) return std::nan("");
    for (std::size_t t = 0; t < a[i].size(); ++t) worst = std::max(worst, std::abs(a[i][t] - b[i][t]));
  }
  return worst;
}

struct Sampled {
  std::vector<data::PackItem> items;
  Numbers logps;  ///< as the sampler saw them
};

Sampled sample(const model::Model& model, const data::Dataset& rows, std::uint64_t seed) {
  std::vector<generation::Prompt> prompts;
  for (std::size_t p = 0; p < kPrompts; ++p) {
    const auto ids = rows.row(static_cast<std::int64_t>(p)).prompt;
    prompts.push_back({{ids.begin(), ids.end()}, p});
  }
  generation::SamplingOptions options;
  options.max_new_tokens = 32;
  options.n = 2;
  const generation::Generator generator(model, nullptr);
  Sampled sampled;
  const auto samples = generator.generate(prompts, options, seed);
  for (std::size_t p = 0; p < prompts.size(); ++p)
    for (const auto& one : samples[p]) {
      sampled.items.push_back(generation::text_item(prompts[p].ids, one.ids, static_cast<std::int64_t>(p)));
      sampled.logps.push_back(one.logps);
    }
  return sampled;
}

Numbers read(const model::Model& model, std::span<const data::PackItem> items, std::int64_t threads) {
  at::set_num_threads(static_cast<int>(threads));
  return generation::Scorer(model, model::Weights::kPolicy, {}).logps(items);
}

class Threads : public SelftestCheck {
 public:
  std::string title() const override { return "sampler = trainer, 1 thread = many"; }

  SelftestResult run(const SelftestBench& bench) const override {
    model::Model model = bench.load();
    const auto rows = bench.open(record::GroupShape::kPairs);
    const auto seed = static_cast<std::uint64_t>(bench.compute.seed);
    const auto sampled = sample(model, rows, seed), again = sample(model, rows, seed);
    const std::int64_t many = std::max<std::int64_t>(2, bench.compute.threads);
    const Numbers one = read(model, sampled.items, 1), all = read(model, sampled.items, many),
                  repeated = read(model, sampled.items, many);
    at::set_num_threads(static_cast<int>(bench.compute.threads));
    if (all != repeated || sampled.logps != again.logps)
      return {
          false, fmt::format("the same computation on {} threads gave other bits the second time", many), {}};
    const double difference = std::max(apart(sampled.logps, one), apart(one, all));
    return SelftestResult::within(
        difference, kSamplerTolerance,
        fmt::format("log-probabilities of {} samples, 1 and {} threads", sampled.logps.size(), many));
  }
};

}  // namespace

std::unique_ptr<SelftestCheck> selftest_threads() { return std::make_unique<Threads>(); }

}  // namespace attune::cli
