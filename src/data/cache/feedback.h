// Feedback as bytes of the token cache: every field of record::Candidate in the order of its declaration.
#pragma once

#include <span>
#include <string>

#include "record/candidate.h"

namespace attune::data::cache {

/// Appends what is said of the candidate, its place in the record and whether it was cut.
void append_feedback(std::string& out, const record::Candidate& candidate);
/// What append_feedback wrote. @throws Error{kRun} when the bytes end too early
record::Candidate read_feedback(std::span<const char> bytes);

}  // namespace attune::data::cache
