// All methods in the order in which they are shown, and `attune list methods`: these and what surveys list beside them.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "algorithm/method.h"
#include "core/json.h"

namespace attune::cli {

using MethodList = std::vector<std::unique_ptr<algorithm::Method>>;

/// Every method there is: point-wise ones first, then pair-wise, then list-wise.
MethodList all_methods();

/// One object a method: "name", "title", "paper", "summary", "rows" (ids of the surveys' list), "kind". Of a "loss"
/// also "formula", "departures", "options", "family" ("point", "pair", "list"), "learns_from" ("demonstrations", "pairs",
/// "labels", "groups", "lists") and "samples_for_delta": on how many
/// answers to a prompt the push on one depends, 1, 2 or "n". Of a "hook", "pipeline" or "decoding" also "how" to
/// have it, of what is "absent" the "reason". Losses come first, by family.
std::vector<core::Json> method_rows();

/// What stands above such objects in the table: their family or kind.
std::string method_heading(const core::Json& row);

}  // namespace attune::cli
