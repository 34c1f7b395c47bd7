// The gradient of every layer over the course of a run, as a picture: one strip a layer, one cell a stretch
// of steps.
#pragma once

#include <string>
#include <string_view>

#include "report/series.h"

namespace attune::report {

/// Metrics of this name, followed by a layer, are that layer's gradient norm.
inline constexpr std::string_view kLayerNorm = "grad_norm/";

/// The section of the page; "" where no layer's norms were logged.
std::string gradients_section(const SeriesTable& metrics);

/// The layer whose gradient was longest at a step, "" where none was logged.
std::string loudest_layer(const SeriesTable& metrics, double step);

}  // namespace attune::report
