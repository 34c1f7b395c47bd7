// Rows of the table of changes that several tests begin from.
#pragma once

#include "report/report.h"

namespace attune::report {

/// A loss that fell beyond chance, over nine prompts.
inline HeadlineRow fallen_loss(std::string name) {
  return {.name = std::move(name),
          .before = 1,
          .after = 0.5,
          .low = -0.6,
          .high = -0.4,
          .better = Better::kLower,
          .count = 9};
}

}  // namespace attune::report
