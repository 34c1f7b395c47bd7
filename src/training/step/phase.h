// Names a stretch of the training loop for the profiler (training.profile); costs next to nothing while none
// records.
#pragma once

#include <ATen/record_function.h>

namespace attune::training {

class Phase {
 public:
  /// @param name of a stretch that ends with this object's life; a literal
  explicit Phase(const char* name) : record_(at::RecordScope::USER_SCOPE) {
    if (record_.isActive()) record_.before(name);
  }

 private:
  at::RecordFunction record_;
};

}  // namespace attune::training
