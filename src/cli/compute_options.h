// device=, threads=, seed=, kernels=: what goes with every command that computes.
#pragma once

#include <cstdint>
#include <string>

#include "core/config/fields.h"

namespace attune::cli {

struct ComputeOptions {
  std::string device = "auto";
  std::int64_t threads = 0;
  std::int64_t seed = 0;
  std::string kernels = "auto";
  void declare(core::Fields& fields);
  /// Sets libtorch's thread count and the kernels, and resolves `device`, `threads` and `kernels` to what is
  /// used ("cpu"; a count; "native"), so that a saved recipe names them. Call it first in run(). @throws
  /// Error{kRequest}: a device that it cannot compute on.
  void apply();
};

}  // namespace attune::cli
