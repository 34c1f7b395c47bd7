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

/// Writes report.html. What goes wrong with it is said and no more: a report never takes a run's result away,
/// nor hides why a run ended. False if it could not be written.
bool report_or_say(const std::string& folder, const report::ReportExtras& extras = {});

/// The report's warnings, as lines on standard error. Never throws either.
void say_what_to_look_at(const std::string& folder);

}  // namespace attune::cli
