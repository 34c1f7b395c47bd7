// How far a token stands above what the model would rather have said: the contrast of the cringe loss (Adolphs et al. 2022,
// arXiv:2211.05826).
#include <ATen/ATen.h>

#include <algorithm>

#include "model/signal.h"

namespace attune::model {
namespace {

constexpr std::int64_t kRivals = 5;

/// The likeliest tokens other than the target, and how the model draws among them.
struct Rivals {
  at::Tensor ids;     ///< [R, K]
  at::Tensor shares;  ///< [R, K], 0 where the target stands; rows add up to 1
  at::Tensor lead;    ///< [R, K] the target's logit less each rival's
};

Rivals rivals_of(const SignalChunk& chunk) {
  const at::Tensor& logits = chunk.logits;
  const auto [values, ids] = logits.topk(std::min(kRivals + 1, logits.size(1)), 1);
  const at::Tensor own = chunk.targets.unsqueeze(1), is_own = ids == own;
  // One more than is wanted was looked up, as the target may be among them: else the last is too many.
  at::Tensor left_out = is_own;
  if (ids.size(1) > kRivals) {
    const at::Tensor last = (at::arange(ids.size(1), ids.options()) == kRivals).unsqueeze(0);
    left_out = is_own.logical_or(last.logical_and(is_own.any(1, /*keepdim=*/true).logical_not()));
  }
  const at::Tensor shares = values.masked_fill(left_out, -1e30).softmax(1).masked_fill(left_out, 0);
  return {ids, shares, logits.gather(1, own) - values};
}

class TopContrast final : public Signal {
 public:
  std::string name() const override { return "top_contrast"; }
  std::string summary() const override {
    return "mean of -log σ(z_k - z_target) over the 5 likeliest other tokens k, drawn as the model does";
  }
  at::Tensor forward(const SignalChunk& chunk) const override {
    const Rivals rivals = rivals_of(chunk);
    return (rivals.shares * -at::log_sigmoid(-rivals.lead)).sum(1);
  }

  /// ∂/∂z_k = -q_k σ(z_target - z_k), and the target's is minus their sum; q is a constant
  void backward(const SignalChunk& chunk, const at::Tensor& upstream, at::Tensor& gradient) const override {
    const Rivals rivals = rivals_of(chunk);
    const at::Tensor pull = rivals.shares * rivals.lead.sigmoid() * upstream.unsqueeze(1);
    gradient.scatter_add_(1, rivals.ids, -pull.to(gradient.scalar_type()));
    gradient.scatter_add_(1, chunk.targets.unsqueeze(1),
                          pull.sum(1, /*keepdim=*/true).to(gradient.scalar_type()));
  }
};

}  // namespace

const Signal* signal_top_contrast() {
  static const TopContrast signal;
  return &signal;
}

}  // namespace attune::model
