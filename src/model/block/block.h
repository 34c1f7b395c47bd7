// One layer of the transformer. Training and decoding run the same code and differ in the attention that they
// hand in, so a flag of ModelConfig is implemented once.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <cstddef>

#include "model/block/attention/attention.h"
#include "model/tap.h"
#include "model/transformer.h"

namespace attune::model {

/// A view of one layer's weights; what it is made of must outlive it.
class Block {
 public:
  Block(const ModelConfig& config, const Layer& layer, std::size_t index, const LinearUse& linears)
      : config_(config), layer_(layer), index_(index), linears_(linears) {}

  /// @param x [R, D]. @param tap may be null. @returns [R, D]
  at::Tensor forward(const at::Tensor& x, Attention& attention, Tap* tap) const;

 private:
  at::Tensor attended(const at::Tensor& x, Attention& attention, Tap* tap) const;
  std::array<at::Tensor, 3> split_heads(const at::Tensor& x) const;
  at::Tensor mlp_output(const at::Tensor& x, Tap* tap) const;
  at::Tensor pre_normed(const Norm& norm, const at::Tensor& x) const {
    return config_.pre_norms ? norm.forward(x, config_) : x;
  }
  void look(Tap* tap, Site site, at::Tensor& x) const {
    if (tap) tap->at(site, static_cast<std::int64_t>(index_), x);
  }

  const ModelConfig& config_;
  const Layer& layer_;
  std::size_t index_;
  const LinearUse& linears_;
};

}  // namespace attune::model
