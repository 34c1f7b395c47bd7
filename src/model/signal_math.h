// Shared by the signals.
#pragma once

#include <ATen/core/Tensor.h>

#include "model/signal.h"

namespace attune::model {

at::Tensor probabilities(const SignalChunk& chunk);            ///< [R, V], a fresh tensor
at::Tensor reference_probabilities(const SignalChunk& chunk);  ///< [R, V], a fresh tensor

}  // namespace attune::model
