// What a run that stops at a loss that is no number leaves of the rows that it stopped at.
#pragma once

#include <span>
#include <string>

#include "text/tokenizer/tokenizer.h"
#include "training/term.h"

namespace attune::training {

/// Writes the part of the step that each term has just learned from: a native record for each candidate, with
/// ids, mask, texts where there is a tokenizer, and its place: "meta": {"file", "row"}, rows from 1.
void write_bad_batch(const std::string& path, std::span<const MethodTerm> terms,
                     const text::Tokenizer* tokenizer);

}  // namespace attune::training
