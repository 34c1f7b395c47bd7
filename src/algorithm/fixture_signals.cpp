#include "algorithm/fixture_signals.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

namespace attune::algorithm {

std::map<std::string, at::Tensor> signals_of_logits(const at::Tensor& logits, const at::Tensor& ids,
                                                    const at::Tensor& reference_logits) {
  const at::AutoGradMode recording(true);
  const at::Tensor log_p = at::log_softmax(logits, 1), p = log_p.exp();
  std::map<std::string, at::Tensor> signals;
  signals["logps"] = log_p.gather(1, ids.unsqueeze(1)).squeeze(1);
  signals["entropy"] = -(p * log_p).sum(1);
  signals["mean_logit"] = logits.mean(1);
  signals["argmax_hit"] = (logits.argmax(1) == ids).to(at::kDouble);
  signals["wpo_weight"] = (signals["logps"] - (2 * log_p).logsumexp(1)).detach();
  if (reference_logits.defined()) {
    const at::Tensor log_r = at::log_softmax(reference_logits, 1);
    signals["reference_kl"] = (log_r.exp() * (log_r - log_p)).sum(1);
  }
  return signals;
}

}  // namespace attune::algorithm
