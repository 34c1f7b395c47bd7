#include "report/run/layer_norms.h"

#include <algorithm>
#include <utility>

namespace attune::report {
namespace {

/// What names are ordered by: their text, then the number behind it.
std::pair<std::string, long> natural(const std::string& name) {
  const std::size_t dot = name.find_last_not_of("0123456789") + 1;
  const bool numbered = dot < name.size() && name.size() - dot < 9;
  return {name.substr(0, dot), numbered ? std::stol(name.substr(dot)) : -1};
}

}  // namespace

std::vector<LayerNorms> layer_norms(const SeriesTable& metrics) {
  std::vector<LayerNorms> layers;
  for (const Series& series : metrics.all())
    if (series.name.starts_with(kLayerNorm) && !series.values.empty())
      layers.push_back({series.name.substr(kLayerNorm.size()), &series});
  std::ranges::sort(layers, {}, [](const LayerNorms& layer) { return natural(layer.layer); });
  return layers;
}

std::string loudest_layer(const SeriesTable& metrics, double step) {
  std::string loudest;
  double most = -1;
  for (const auto& [layer, norms] : layer_norms(metrics)) {
    const auto at = std::ranges::find(norms->steps, step);
    if (at == norms->steps.end()) continue;
    const double norm = norms->values[static_cast<std::size_t>(at - norms->steps.begin())];
    if (norm > most) most = norm, loudest = layer;
  }
  return loudest;
}

}  // namespace attune::report
