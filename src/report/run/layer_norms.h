// The gradient norms of single layers, as a run logged them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "report/run/series.h"

namespace attune::report {

/// Metrics of this name, followed by a layer, are that layer's gradient norm.
inline constexpr std::string_view kLayerNorm = "grad_norm/";

struct LayerNorms {
  std::string layer;
  const Series* norms;  ///< of the table that they were read from; not empty
};

/// In the order of the model: "layers.10" comes after "layers.2".
std::vector<LayerNorms> layer_norms(const SeriesTable& metrics);

/// The layer whose gradient was longest at a step, "" where none was logged.
std::string loudest_layer(const SeriesTable& metrics, double step);

}  // namespace attune::report
