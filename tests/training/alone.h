// Numbers of one model and one sequence at a time, with plain tensor operations.
#pragma once

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <cstdint>
#include <string>
#include <vector>

#include "core/forest.h"
#include "data/packing.h"
#include "model/model.h"

namespace attune::training::fixture {

/// The distribution before each token and the state at each.
struct Alone {
  at::Tensor log_p, hidden;
  Alone(const model::Model& model, const data::PackItem& item) {
    const c10::NoGradGuard no_gradients;
    const std::vector<core::TokenSequence> one = {{.ids = item.ids}};
    hidden = model.hidden(core::build_forest(one));
    const auto head = model.head();
    if (head.weight.defined()) log_p = at::log_softmax(at::matmul(hidden, head.weight.t()), 1);
  }
  double logp(std::int64_t k, std::int32_t id) const { return log_p[k - 1][id].item<double>(); }
  at::Tensor head_at(const model::Model& model, const std::string& name, std::int64_t row) const {
    const auto head = model.named_head(name);
    const at::Tensor out = at::matmul(head.weight, hidden[row]);
    return head.bias.defined() ? out + head.bias : out;
  }
};

}  // namespace attune::training::fixture
