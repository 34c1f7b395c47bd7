// Metrics that many methods share, under TRL's names.
#pragma once

#include <functional>

#include "algorithm/method.h"

namespace attune::algorithm {

/// The needs of a method and, where they are not among them, the optional ones behind add_token_metrics().
std::vector<Need> with_token_metrics(std::vector<Need> needs);

/// "entropy": the mean over all trained tokens; "mean_token_accuracy": how often the trained token is the
/// most likely one, over the candidates that `accuracy_of` keeps. Derived candidates count for neither; each
/// metric is left out when its signal is not there.
using CandidateFilter = std::function<bool(const Candidate&)>;
void add_token_metrics(const Batch& batch, Metrics& metrics, const CandidateFilter& entropy_of = {},
                       const CandidateFilter& accuracy_of = {});

/// "logits/chosen" and "logits/rejected": the mean over vocabulary and trained tokens of the raw logits
/// (TRL's names).
void add_logit_metrics(const Batch& batch, Metrics& metrics, const CandidateFilter& is_chosen);

/// Mean over the entries of a tensor, as a metric that adds up.
Metric mean_metric(const at::Tensor& values);

/// The same over the entries where `mask` is 1.
Metric mean_metric(const at::Tensor& values, const at::Tensor& mask);

}  // namespace attune::algorithm
