// Where a number about a completion is read.
#pragma once

namespace attune::record {

enum class Positions {
  kTokens,    ///< one number per trained completion token
  kLast,      ///< one number per candidate, at its last token
  kStepEnds,  ///< one number per reasoning step of the completion, at the step's last token
};

}  // namespace attune::record
