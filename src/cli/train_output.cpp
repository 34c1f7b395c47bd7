#include "cli/train_output.h"

#include <fmt/format.h>

#include <optional>

#include "core/error.h"
#include "core/files/files.h"
#include "core/interrupt.h"
#include "core/progress.h"
#include "report/finding/findings.h"

namespace attune::cli {

bool report_or_say(const std::string& folder, const report::ReportExtras& extras) {
  try {
    report::write_report(folder, extras);
    return true;
  } catch (const std::exception& error) {
    fmt::print(stderr, "attune: the report could not be written: {}\n", error.what());
    return false;
  }
}

void say_what_to_look_at(const std::string& folder) {
  try {
    for (const auto& warning : report::warnings_of(report::read_run_folder(folder)))
      fmt::print(stderr, "worth a look: {}\n", warning);
  } catch (const std::exception& error) {
    fmt::print(stderr, "attune: the run's numbers could not be looked at: {}\n", error.what());
  }
}

training::RunResult train_with_progress(const training::TrainRecipe& recipe, const Output& out,
                                        const report::ReportExtras& extras) {
  const core::InterruptGuard guard;
  const auto processes = training::Processes::from_environment();
  std::optional<core::Progress> progress;
  training::Observer observer;
  observer.interrupted = [] { return core::interrupt_requested(); };
  if (!processes.leads()) return training::run_training(recipe, observer, processes);
  observer.on_message = [&](const std::string& line) {
    progress ? progress->message(line) : fmt::print(stderr, "{}\n", line);
  };
  observer.on_row = [&](const core::Json& row) {
    if (out.json()) out.line(row);
  };
  observer.on_begin = [&](std::int64_t done, std::int64_t total) {
    progress.emplace("training", total, "update");
    progress->begin(done);
  };
  observer.on_update = [&](std::int64_t update, const std::string& text, std::int64_t tokens) {
    progress->also(tokens, "tokens");
    progress->update(update, text);
  };
  observer.on_result = [&](const std::string& folder) {
    if (progress) progress->finish();
    report::ReportExtras all = extras;
    all.state = "finished";
    report_or_say(folder, all);
  };
  try {
    return training::run_training(recipe, observer, processes);
  } catch (const core::Error& error) {
    progress.reset();
    // What is refused leaves everything as it is, the report of another run in OUTPUT too.
    const bool refused = error.code() == core::ErrorCode::kRequest;
    if (!refused && core::fs::exists(recipe.output + "/metrics.jsonl")) report_or_say(recipe.output, extras);
    throw;
  }
}

}  // namespace attune::cli
