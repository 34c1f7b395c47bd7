#include "record/sound_feedback.h"

#include <cmath>
#include <limits>
#include <string>
#include <string_view>

namespace attune::record {
namespace {

using Problem = std::optional<core::ItemError>;

// One overload for each type of ATTUNE_CANDIDATE_FIELDS.
Problem look(const std::string& name, double value) { return unsound_number(value, name); }
Problem look(const std::string& name, const std::optional<double>& value) {
  return value ? unsound_number(*value, name) : Problem();
}
Problem look(const std::string&, const std::optional<bool>&) { return {}; }
Problem look(const std::string&, const std::string&) { return {}; }
Problem look(const std::string& name, const std::vector<double>& values) {
  for (const double value : values)
    if (auto problem = unsound_number(value, name)) return problem;
  return {};
}
Problem look(const std::string& name, const Scores& values) {
  for (const auto& [key, value] : values)
    if (auto problem = unsound_number(value, name + "." + key)) return problem;
  return {};
}

Problem unsound(const Candidate& candidate) {
  Problem found;
  visit_feedback(candidate, [&](const char* name, const auto& value) {
    if (!found) found = look(name, value);
  });
  if (found) return found;
  if (candidate.weight < 0)
    return core::ItemError{
        "a negative \"weight\"",
        fmt::format("{:g}; to push an answer down, label it bad or rank it below another", candidate.weight)};
  const double preference = candidate.preference.value_or(0);
  if (preference < 0 || preference > 1)
    return core::ItemError{"\"preference\" is a probability",
                           fmt::format("{:g} is not between 0 and 1", preference)};
  return {};
}

}  // namespace

Problem unsound_number(double number, const std::string& name) {
  if (std::isnan(number))
    return core::ItemError{fmt::format("\"{}\" is no number", name), "leave it out instead"};
  const double size = std::abs(number);
  if (std::isinf(number))
    return core::ItemError{fmt::format("\"{}\" is infinite", name),
                           "give a number that ranks as high or low"};
  if (size > kLargestFeedback)
    return core::ItemError{
        fmt::format("\"{}\" is too large", name),
        fmt::format("{:g} is beyond {:g}, where gradients do not fit single precision; divide all "
                    "such numbers by the same factor, to about 1 in size",
                    number, kLargestFeedback)};
  if (size > 0 && size < std::numeric_limits<float>::denorm_min())
    return core::ItemError{
        fmt::format("\"{}\" is too small", name),
        fmt::format("{:g} is 0 in single precision; multiply all such numbers by the same factor, "
                    "to about 1 in size, or write 0",
                    number)};
  return {};
}

Problem unsound_feedback(std::span<const Candidate> candidates) {
  for (std::size_t i = 0; i < candidates.size(); ++i)
    if (auto problem = unsound(candidates[i])) {
      if (candidates.size() > 1) problem->detail = fmt::format("answer {}: {}", i + 1, problem->detail);
      return problem;
    }
  return {};
}

}  // namespace attune::record
