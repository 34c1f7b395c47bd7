// The gradient of every layer over the course of a run, as a picture: one strip a layer, one cell a stretch
// of steps.
#pragma once

#include <string>

#include "report/run/series.h"

namespace attune::report {

/// The section of the page; "" where no layer's norms were logged.
std::string gradients_section(const SeriesTable& metrics);

}  // namespace attune::report
