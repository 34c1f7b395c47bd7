// What a person sees while a run trains: a bar or lines on standard error, metrics on standard output with
// --json, and the report at the end, also of a run that was interrupted or failed.
#pragma once

#include "cli/command.h"
#include "report/report.h"
#include "training/run/run.h"

namespace attune::cli {

/// Trains with progress. @throws core::Error as run_training does, after the report of what there is was
/// written.
training::RunResult train_with_progress(const training::TrainRecipe& recipe, const Output& out,
                                        const report::ReportExtras& extras = {});

}  // namespace attune::cli
