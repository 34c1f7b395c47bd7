// Numbers that nobody can learn from, whatever the method: said where they come in.
#pragma once

#include <optional>
#include <span>

#include "core/error.h"
#include "record/candidate.h"

namespace attune::record {

/// The largest size that a number of feedback may have. Gradients are proportional to rewards, their norms to their
/// squares, and both are of single precision, which ends at 3.4e38.
inline constexpr double kLargestFeedback = 1e15;

/// Why a number cannot be a reward or a score: it is no number, infinite, or beyond single precision; nothing where it
/// can. @param name what it is called in the message, "reward". The detail says what to do.
std::optional<core::ItemError> unsound_number(double number, const std::string& name);
/// The first problem of all numbers that are said of candidates: those of unsound_number(), negative weights,
/// probabilities outside of 0 and 1.
std::optional<core::ItemError> unsound_feedback(std::span<const Candidate> candidates);

}  // namespace attune::record
