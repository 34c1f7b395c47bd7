// Questions about what a method reads, which decide what a run has to have: a reference, its distributions, a
// score head.
#pragma once

#include <algorithm>

#include "algorithm/method.h"
#include "model/signal.h"

namespace attune::training {

/// Whether it takes more of the reference than log-probabilities.
inline bool compares_distributions(const algorithm::Need& need) {
  return model::signal_named(need.signal).needs_reference();
}
inline bool reads_reference(const algorithm::Need& need) {
  return need.source == algorithm::Source::kReference || compares_distributions(need);
}
inline bool reads_score(const algorithm::Need& need) {
  return model::signal_named(need.signal).kind() == model::SignalKind::kHead;
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

}  // namespace attune::training
