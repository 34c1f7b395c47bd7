// What the files that make up warnings_of() share.
#pragma once

#include <string>
#include <vector>

#include "report/report.h"

namespace attune::report {

/// Whether, and in which direction, the model learned: pairs told apart completely, a loss that stands still,
/// rises or falls on the training data only, answers that lost their likelihood.
void add_learning_warnings(const ReportInput& input, std::vector<std::string>& texts);

/// Gradients of zero, and a model that ends as a uniform distribution.
void add_stall_warnings(const ReportInput& input, std::vector<std::string>& texts);

/// Whether the last logged steps had no gradient at all, and no lack of contrast in the data explains it.
bool gradient_vanished(const ReportInput& input);

/// Whether the last logged entropy is that of a uniform distribution over the vocabulary that run.json says.
bool ends_uniform(const ReportInput& input);

/// A logistic loss that came to nothing. It begins at log 2, as every such loss does; others may have met a
/// target that is zero.
bool pairs_are_told_apart(const ReportInput& input);

/// Settings that keep a model nearer to its start, of those that this run has.
std::string what_holds_closer(const ReportInput& input);

}  // namespace attune::report
