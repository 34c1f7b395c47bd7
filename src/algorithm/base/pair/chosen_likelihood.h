// The likelihood of chosen answers beside a preference loss: what keeps CPO and ORPO writing well.
#pragma once

#include "algorithm/base/pair/pair_method.h"

namespace attune::algorithm {

/// For prepare(): fixes "chosen_tokens", the tokens of the step's chosen answers, each with its pair's share.
void fix_chosen_tokens(Batch& step);

/// [P]: −log π(y₊) of each pair, scaled so that a pair method's mean over pairs is the mean over the chosen
/// tokens of the step.
at::Tensor chosen_nll(const PairTerms& pairs, const Batch& batch);

/// "nll_loss": that mean.
void add_nll_metric(const PairTerms& pairs, const Batch& batch, Metrics& metrics);

}  // namespace attune::algorithm
