// Questions about what a method reads, which decide what a run has to have: a reference, its distributions,
// named heads.
#pragma once

#include <algorithm>
#include <set>
#include <string>

#include "algorithm/method.h"
#include "model/signal.h"

namespace attune::training {

/// Whether it asks about two models at once.
inline bool compares_distributions(const algorithm::Need& need) {
  return model::signal_named(need.signal).needs_reference();
}
inline bool reads_reference(const algorithm::Need& need) {
  return need.source == algorithm::Source::kReference ||
         (compares_distributions(need) && need.against == algorithm::Source::kReference);
}
/// Whether it takes more of the reference than the log-probabilities of tokens.
inline bool reads_more_than_logps(const algorithm::Need& need) {
  return reads_reference(need) && (need.signal != "logps" || need.source != algorithm::Source::kReference);
}
inline bool reads_head(const algorithm::Need& need) {
  return model::signal_named(need.signal).kind() == model::SignalKind::kHead;
}

inline bool reads_teacher(const algorithm::Need& need) {
  return need.source == algorithm::Source::kTeacher ||
         (compares_distributions(need) && need.against == algorithm::Source::kTeacher);
}

/// A reward model that rates the steps of a reasoning.
inline bool scores_steps(const algorithm::Need& need) {
  return need.signal == "score" && need.at == algorithm::Positions::kStepEnds;
}

/// `any_need(method, reads_reference)`
bool any_need(const algorithm::Method& method, auto asks) {
  const auto needs = method.needs();
  return std::any_of(needs.begin(), needs.end(), asks);
}

/// The same of any entry of a list whose entries have a method (`terms`).
bool any_term(const auto& terms, auto asks) {
  return std::any_of(terms.begin(), terms.end(),
                     [&](const auto& term) { return any_need(*term.method, asks); });
}

/// The named heads that a method reads: "score", "value".
inline std::set<std::string> heads_of(const algorithm::Method& method) {
  std::set<std::string> heads;
  for (const auto& need : method.needs())
    if (reads_head(need)) heads.insert(model::signal_named(need.signal).head().name);
  return heads;
}

/// Those of all entries of such a list.
std::set<std::string> heads_of_terms(const auto& terms) {
  std::set<std::string> heads;
  for (const auto& term : terms) heads.merge(heads_of(*term.method));
  return heads;
}

}  // namespace attune::training
