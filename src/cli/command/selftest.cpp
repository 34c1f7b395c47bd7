// attune selftest: whether this installation computes what it should on this machine, and how fast.
#include <fmt/format.h>

#include <algorithm>

#include "cli/assets.h"
#include "cli/command.h"
#include "cli/quickstart/stories.h"
#include "cli/selftest_check.h"
#include "core/config/nearest.h"
#include "core/error.h"
#include "core/files/files.h"
#include "core/interrupt.h"
#include "core/system.h"

namespace attune::cli {
namespace {

constexpr std::size_t kPairs = 32;

/// Preference pairs of ids: openings of stories with the openings of others as answers.
std::string pair_lines() {
  const auto openings = read_openings(asset_path("quickstart/openings.jsonl"), "train");
  if (openings.size() < 3 * kPairs) core::fail_request("quickstart/openings.jsonl has too few openings");
  const auto answer = [](const Opening& opening) {
    return std::vector<std::int32_t>(opening.ids.begin() + 1, opening.ids.end());
  };
  std::string lines;
  for (std::size_t i = 0; i < kPairs; ++i)
    lines += core::to_line({{"prompt_ids", openings[i].ids},
                            {"candidates",
                             {{{"completion_ids", answer(openings[i + kPairs])}, {"rank", 0}},
                              {{"completion_ids", answer(openings[i + 2 * kPairs])}, {"rank", 1}}}}}) +
             "\n";
  return lines;
}

SelftestResult outcome_of(const SelftestCheck& check, const SelftestBench& bench) {
  try {
    return check.run(bench);
  } catch (const core::Error& error) {
    if (error.code() == core::ErrorCode::kInterrupted) throw;
    return {false, error.what(), {}};
  } catch (const core::Json::exception& error) {
    return {false, fmt::format("a file of the installation is damaged: {}", error.what()), {}};
  }
}

struct NamedCheck {
  std::string name;
  std::unique_ptr<SelftestCheck> check;
};

std::vector<std::string> check_names() {
  std::vector<std::string> names;
  for (const auto& [name, make] : selftest_entries()) names.emplace_back(name);
  return names;
}

/// The checks of these names; all of them where none is named.
std::vector<NamedCheck> chosen(const std::vector<std::string>& names) {
  const auto known = check_names();
  for (const auto& name : names)
    if (std::ranges::find(known, name) == known.end())
      core::fail_request("there is no check '{}'{}", name, core::did_you_mean(name, known));
  std::vector<NamedCheck> checks;
  for (const auto& [name, make] : selftest_entries())
    if (names.empty() || std::ranges::find(names, name) != names.end())
      checks.push_back({std::string(name), make()});
  return checks;
}

class Selftest : public Command {
 public:
  CommandInfo info() const override {
    return {
        .name = "selftest",
        .summary = "Checks this installation: numbers, resuming, threads and speed, in under a minute.",
        .usage = "[CHECK …] [key=value …] [--json]",
        .details =
            "Losses of the methods and log-probabilities of the bundled model are compared with TRL's and "
            "transformers'; packed computation, a resumed run, the sampler and other thread counts with the "
            "plain way; speed with what the machine's matrix products and memory allow. Nothing is left "
            "behind. Exit code 1 when a check fails. The checks: " +
            fmt::format("{}.", fmt::join(check_names(), ", ")),
        .examples = {{"attune selftest", "everything, on all cores"},
                     {"attune selftest golden_losses resume", "two of the checks"},
                     {"attune selftest threads=1 --json", "one line of JSON a check"}},
        .max_words = 64,
        .flags = {}};
  }
  void declare(core::Fields& fields) override { compute_.declare(fields); }

  int run(const Request& request, Output& out) override {
    compute_.apply();
    const auto checks = chosen(request.words);
    const core::InterruptGuard guard;
    const core::ScratchFolder scratch("attune-selftest");
    const SelftestBench bench{asset_path("tinystories-656k"), scratch.path() + "/pairs.jsonl", scratch.path(),
                              compute_};
    core::write_file_atomically(bench.pairs, pair_lines());
    if (!out.json())
      out.text(fmt::format("attune {} on {}, {} of {} threads\n", core::program_version(),
                           core::machine().value("cpu", "cpu"), compute_.threads,
                           core::machine().value("cores", 0)));
    const core::Stopwatch whole;
    std::size_t failed = 0;
    for (const auto& [name, check] : checks) {
      core::stop_if_interrupted();
      const core::Stopwatch watch;
      const auto result = outcome_of(*check, bench);
      failed += result.passed ? 0 : 1;
      tell(out, name, check->title(), result, watch.seconds());
    }
    if (!out.json())
      out.text(fmt::format(
          "{} in {:.0f} s\n",
          failed == 0 ? "all is well," : fmt::format("{} FAILED,", core::counted(failed, "check")),
          whole.seconds()));
    return failed == 0 ? 0 : 1;
  }

 private:
  static void tell(const Output& out, const std::string& name, const std::string& title,
                   const SelftestResult& result, double seconds) {
    if (out.json())
      out.line({{"check", name},
                {"title", title},
                {"passed", result.passed},
                {"says", result.says},
                {"numbers", result.numbers},
                {"seconds", seconds}});
    else
      out.text(fmt::format("  {}  {:<14} {}\n          {}  [{:.1f} s]\n", result.passed ? "ok    " : "FAILED",
                           name, title, result.says, seconds));
  }

  ComputeOptions compute_;
};

}  // namespace

std::unique_ptr<Command> command_selftest() { return std::make_unique<Selftest>(); }

}  // namespace attune::cli
