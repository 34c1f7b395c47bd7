#include "report/page/gradients.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "report/finding/findings.h"
#include "report/page/html.h"
#include "report/run/layer_norms.h"

namespace attune::report {
namespace {

constexpr std::size_t kCells = 3000;  // of the whole picture: more would make the page heavy
constexpr double kNothing = -1;       // logged in a stretch; norms are not negative
constexpr std::size_t kMinColumns = 12, kMostColumns = 72;

/// The largest value of each stretch of the run (a spike must not be averaged away); NaN where one was no
/// number, -1 where nothing was logged.
std::vector<double> cells_of(const Series& norms, double first, double last, std::size_t columns) {
  std::vector<double> cells(columns, kNothing);
  // Each by itself: the difference of two steps from a damaged file may overflow.
  const double count = static_cast<double>(columns), width = last / count - first / count + 1 / count;
  for (std::size_t i = 0; i < norms.values.size(); ++i) {
    const double place = norms.steps[i] / width - first / width;
    const auto at = place > 0 ? static_cast<std::size_t>(std::min(place, count - 1)) : 0;
    double& cell = cells[at];
    const double value = norms.values[i];
    cell = std::isfinite(value) && !std::isnan(cell) ? std::max(cell, value) : std::nan("");
  }
  return cells;
}

/// How strongly a norm is inked, 0 to 1, on a logarithmic scale.
struct Scale {
  double low = std::numeric_limits<double>::infinity(), high = 0;

  void include(double value) {
    if (!(value > 0) || std::isinf(value)) return;
    low = std::min(low, value);
    high = std::max(high, value);
  }
  double ink(double value) const {
    if (!(value > 0)) return 0;
    if (high <= low) return 0.5;
    return 0.06 + 0.94 * (std::log(value) - std::log(low)) / (std::log(high) - std::log(low));
  }
};

std::string strip(const std::vector<double>& cells, const Scale& scale) {
  std::string marks;
  for (std::size_t x = 0; x < cells.size(); ++x) {
    if (cells[x] == kNothing) continue;
    marks += std::isnan(cells[x])
                 ? fmt::format("<rect class=\"bad\" x=\"{}\" width=\"1\" height=\"1\"/>", x)
                 : fmt::format("<rect x=\"{}\" width=\"1\" height=\"1\" opacity=\"{:.2f}\"/>", x,
                               scale.ink(cells[x]));
  }
  return fmt::format("<svg viewBox=\"0 0 {} 1\" preserveAspectRatio=\"none\" aria-hidden=\"true\">{}</svg>",
                     cells.size(), marks);
}

}  // namespace

std::string gradients_section(const SeriesTable& metrics) {
  const auto layers = layer_norms(metrics);
  if (layers.empty()) return "";
  double first = std::numeric_limits<double>::infinity(), last = 0;
  std::size_t points = 0;
  for (const auto& layer : layers) {
    first = std::min(first, layer.norms->steps.front());
    last = std::max(last, layer.norms->steps.back());
    points = std::max(points, layer.norms->steps.size());
  }
  const std::size_t columns = std::min(points, std::clamp(kCells / layers.size(), kMinColumns, kMostColumns));
  std::vector<std::vector<double>> rows;
  Scale scale;
  for (const auto& layer : layers) {
    rows.push_back(cells_of(*layer.norms, first, last, columns));
    for (const double value : rows.back()) scale.include(value);
  }
  std::string strips;
  for (std::size_t i = 0; i < layers.size(); ++i)
    strips += fmt::format("<span class=\"layer\">{}</span>{}<span>{}</span>\n", escape(layers[i].layer),
                          strip(rows[i], scale), readable(layers[i].norms->values.back()));
  return fmt::format(
      "<section id=\"gradients\"><h2>Gradient by layer</h2><p class=\"lead\">Length of each layer's gradient "
      "from step {} to step {}, before clipping: the stronger the ink, the longer, on a logarithmic scale from "
      "{} to {}. The number is that of the last step. A layer without ink does not learn; one that dwarfs the "
      "rest decides where clipping sets in.</p><div class=\"strips\">\n{}</div></section>",
      readable(first), readable(last), readable(scale.high > 0 ? scale.low : 0), readable(scale.high),
      strips);
}

}  // namespace attune::report
