// Log-probabilities the way sampling gets them: a prompt read into the cache, then token by token.
#pragma once

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <span>
#include <vector>

#include "gradients.h"
#include "model/decode/decoder.h"
#include "model/model.h"
#include "support.h"
#include "tests/tolerance.h"

namespace attune::model::test {

/// [n - 1] log π of each token after the first, by one pass over the sequence.
inline at::Tensor forward_logps(const Model& model, const Ids& ids, Tap* tap = nullptr) {
  const c10::NoGradGuard no_grad;
  const Case one{"", {ids}, {}};
  const auto forest = one.forest();
  const at::Tensor hidden = model.hidden(forest, Weights::kPolicy, {}, tap);
  return read_signals({.hidden = hidden, .head = model.head()}, readout_of(one, forest), {"logps"})
      .at("logps")
      .to(at::kDouble);
}

/// [n - prompt] log π of the tokens behind a prompt of that many.
inline at::Tensor decoded_logps(const Model& model, const Ids& ids, std::size_t prompt, Tap* tap = nullptr) {
  const Decoder decoder(model.weights(), model.config(), Weights::kPolicy, tap);
  const KvPool pool(decoder.shape());
  const Case read{"", {Ids(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(prompt))}, {}};
  const auto forest = read.forest();
  auto prompts = decoder.read_prompts(forest, pool);
  KvSequence cache = prompts[0].cache.fork();
  at::Tensor hidden = prompts[0].hidden.unsqueeze(0);
  std::vector<double> logps;
  for (std::size_t i = prompt; i < ids.size(); ++i) {
    const at::Tensor distribution = at::log_softmax(decoder.logits(hidden)[0], -1);
    logps.push_back(distribution[ids[i]].item<double>());
    const DecodeRow row{ids[i], static_cast<std::int32_t>(i), 0, cache.extend()};
    hidden = decoder.step(std::span(&row, 1));
  }
  return at::tensor(logps, at::kDouble);
}

inline double furthest(const at::Tensor& a, const at::Tensor& b) {
  return (a - b).abs().max().item<double>();
}

/// How far log-probabilities of decoding, whose keys, values and softmax are float32, may be from `forward`.
inline double decoding_tolerance(const Model& model, const at::Tensor& forward) {
  return attune::test::logp_tolerance(model.config(), forward.min().item<double>(), forward.size(0) + 1);
}
/// The same of the last layer's rows after a prompt.
inline double hidden_tolerance(const Model& model, const at::Tensor& forward, std::int64_t tokens) {
  return attune::test::activation_tolerance(model.config(), forward.abs().max().item<double>(), tokens);
}

}  // namespace attune::model::test
