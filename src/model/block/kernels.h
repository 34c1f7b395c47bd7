// Which arithmetic runs: kernels written for the processor, or their twins made of library operations. The
// twins give the same numbers to rounding, run on every device, and are what the kernels are tested against.
#pragma once

#include <ATen/core/Tensor.h>

#include <string_view>

namespace attune::model {

enum class Kernels { kNative, kLibrary };

/// Of this process, as libtorch's number of threads is. What computes asks native_kernels() instead. At first
/// what ATTUNE_KERNELS in the environment says (native, library), else what the build chose
/// (cmake -DATTUNE_KERNELS=…).
/// @throws Error{kRequest}: another word in the environment
Kernels kernels();
void set_kernels(Kernels choice);

/// "native" or "library". @throws Error{kRequest} naming what there is; @param where for the message
Kernels kernels_from(std::string_view word, std::string_view where);

/// Whether the processor's kernels take this tensor: other devices always take the twins.
inline bool native_kernels(const at::Tensor& x) { return x.is_cpu() && kernels() == Kernels::kNative; }

}  // namespace attune::model
