// Fixtures: a step written down as JSON (interface.md, section 5), read strictly, computed in float64 without
// a model. This is how outside programs check a method's loss and coefficients, and how a person plays with
// one.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "algorithm/method.h"
#include "core/json.h"

namespace attune::algorithm {

/// The numbers of one candidate as the fixture gives them; empty: not given.
struct FixtureCandidate {
  Candidate feedback;
  bool has_rank = false, has_label = false, has_reward = false;
  std::vector<std::int64_t> ids;
  /// "logps", "ref_logps", "old_logps", "values", "old_values", "token_rewards", "scores", "kl_logps",
  /// "kl_ref_logps", "prompt_logps": one number per entry.
  std::map<std::string, std::vector<double>> numbers;
  /// "logits", "ref_logits", "teacher_logits": [T][V].
  std::map<std::string, at::Tensor> logits;
  std::int64_t tokens = 0;  ///< completion tokens, on which all per-token entries agree
};

/// Reads {"candidates": […]}. Unknown keys, wrong types, numbers that are not finite and lengths that
/// disagree are refused. @throws Error{kRequest} naming `where`, candidate and key.
std::vector<FixtureCandidate> parse_fixture(const core::Json& fixture, const std::string& where);

/// Signals of one candidate as functions of its policy logits, so that coefficients lead back to the logits.
struct RecordedSignals {
  at::Tensor logits;  ///< [T][V], requires grad; undefined when the fixture gives none
  std::map<std::string, at::Tensor> signals;
};

/// A whole step for `method`, and what leads back to the fixture.
struct FixtureStep {
  Batch batch;
  std::vector<std::int64_t> rows;  ///< batch row of each fixture candidate (rows are grouped, some derived)
  std::vector<RecordedSignals> recorded;  ///< per fixture candidate
};

/// Arranges the candidates as the method wants them: pairs by rank (else label, else reward), derived
/// candidates from kl_logps, signals from logits. @throws Error{kRequest} naming the first thing that the
/// method needs and misses.
FixtureStep fixture_step(const std::vector<FixtureCandidate>& candidates, const Method& method,
                         const std::string& where);

/// Runs prepare and loss on a fixture. The object of interface.md, section 5, without the method's name and
/// options:
/// {"loss", "metrics", "candidates": [{"coefficients", "advantages", …}]}.
core::Json explain_fixture(const std::vector<FixtureCandidate>& candidates, const Method& method,
                           const std::string& where);

}  // namespace attune::algorithm
