// A completion with everything that is said of it. This is the only struct with feedback in it: formats read
// it, the cache keeps it, raters fill it in, pairings look at it and methods learn from it.
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/json.h"

namespace attune::record {

/// The feedback on a completion: one line per field, FIELD(type, name, default, meaning). That line is all
/// that a field needs: the native format reads and writes it under its name, the token cache keeps it, and
/// methods find it in Batch::candidates. Types: optional double or bool (absent when nothing was said),
/// double, string, list of doubles, map of doubles.
#define ATTUNE_CANDIDATE_FIELDS(FIELD)                                                     \
  FIELD(std::optional<double>, rank, {},                                                   \
        "place in the order of preference: 0 is best, equal ranks are ties")               \
  FIELD(std::optional<bool>, label, {}, "good (true) or bad")                              \
  FIELD(std::optional<double>, reward, {}, "a score: more is better")                      \
  FIELD(std::optional<double>, margin, {}, "by how much it is preferred")                  \
  FIELD(std::optional<double>, preference, {},                                             \
        "probability that it is the preferred one of its pair (soft label)")               \
  FIELD(double, weight, 1, "importance: multiplies its loss term, enters no normaliser")   \
  FIELD(std::vector<double>, step_scores, {}, "a score for each of its reasoning steps")   \
  FIELD(Scores, scores, {}, "scores by attribute or by rater")                             \
  FIELD(std::string, source, {}, "who wrote it: policy, reference, human, a model's name") \
  FIELD(std::string, annotator, {}, "who judged it")                                       \
  FIELD(std::string, finish_reason, {}, "why it ended: stop, or length where a limit cut it")

using Scores = std::map<std::string, double>;

/// What a candidate is in its group.
enum class Role {
  kMember,    ///< of no pair, or of pairs of which it wins some and loses others
  kChosen,    ///< preferred in every pair that it is in
  kRejected,  ///< preferred in none
  kDerived,   ///< added for a method that asked for it (KTO's mismatched completions)
};

struct Candidate {
  // What was written. Texts are absent in training batches, where only ids remain.
  core::Json completion;  ///< text or messages; null when ids stand in its place
  std::optional<std::vector<std::int32_t>> completion_ids;
  std::vector<std::uint8_t> completion_mask;  ///< with ids: 1 where trained on; empty = everywhere
  std::vector<std::string> steps;             ///< reasoning steps; their join is the completion
  std::vector<double> logps, sampling_logps;  ///< per token; of the model that wrote it, as it was sampled

  // What is said of it.
#define ATTUNE_MEMBER(type, name, initial, meaning) type name = initial;
  ATTUNE_CANDIDATE_FIELDS(ATTUNE_MEMBER)
#undef ATTUNE_MEMBER

  // Where it stands.
  std::uint32_t index = 0;  ///< among the record's candidates, kept when others are left out
  std::int64_t group = 0;   ///< candidates of one prompt share it and are neighbours in a batch
  Role role = Role::kMember;
  bool truncated = false;                  ///< cut to the length limit
  std::shared_ptr<const core::Json> meta;  ///< the record's meta; null when it has none
};

/// Calls visit(name, value) for each field of feedback; `candidate` may be const.
template <class AnyCandidate, class Visitor>
void visit_feedback(AnyCandidate&& candidate, Visitor&& visit) {
#define ATTUNE_VISIT(type, name, initial, meaning) visit(#name, candidate.name);
  ATTUNE_CANDIDATE_FIELDS(ATTUNE_VISIT)
#undef ATTUNE_VISIT
}

/// Replaces what is said of a completion and where it stands; what was written stays.
void copy_feedback(const Candidate& from, Candidate& to);
/// The feedback alone, with its place: what remains of a candidate in a training batch.
Candidate feedback_of(const Candidate& candidate);

/// NaN where there is no reward.
inline double reward_of(const Candidate& candidate) {
  return candidate.reward.value_or(std::numeric_limits<double>::quiet_NaN());
}
/// Nothing said counts as good.
inline bool is_good(const Candidate& candidate) { return candidate.label.value_or(true); }
/// Cut by a limit, whoever applied it.
inline bool was_cut(const Candidate& candidate) {
  return candidate.truncated || candidate.finish_reason == "length";
}

}  // namespace attune::record
