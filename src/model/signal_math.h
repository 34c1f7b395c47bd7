// Shared by the signals and what reads them.
#pragma once

#include <ATen/core/Tensor.h>

#include "model/signal.h"

namespace attune::model {

at::Tensor probabilities(const SignalChunk& chunk);            ///< [R, V], a fresh tensor
at::Tensor reference_probabilities(const SignalChunk& chunk);  ///< [R, V], a fresh tensor

/// The type that signals have: float64 for a float64 model, else float32.
at::ScalarType wide_type(at::ScalarType type);
/// Where to add a weight's gradient, zeros at first; null for a weight that is absent or not trained.
at::Tensor* trained_gradient(const at::Tensor& parameter);

/// A signal of kind kHead: [M] of a head with one output, else [M, K]. @throws Error{kRequest} without the
/// head.
at::Tensor read_head(const Signal& signal, const SignalModel& model, const Readout& readout);
/// Adds to ∂loss/∂hidden [T, D] and to the head's gradients. @param upstream [M] or [M, K], as read_head
/// gives
void backward_head(const Signal& signal, const SignalModel& model, const Readout& readout,
                   const at::Tensor& upstream, at::Tensor& d_hidden);

}  // namespace attune::model
