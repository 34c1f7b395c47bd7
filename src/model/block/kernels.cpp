#include "model/block/kernels.h"

#include <atomic>
#include <cstdlib>

#include "core/error.h"

#ifndef ATTUNE_BUILT_KERNELS
#define ATTUNE_BUILT_KERNELS "native"
#endif

namespace attune::model {
namespace {

std::atomic<Kernels>& chosen_kernels() {
  static std::atomic<Kernels> chosen = [] {
    const char* word = std::getenv("ATTUNE_KERNELS");  // NOLINT(concurrency-mt-unsafe): nobody sets it
    if (word && *word) return kernels_from(word, "ATTUNE_KERNELS in the environment");
    return kernels_from(ATTUNE_BUILT_KERNELS, "the build's ATTUNE_KERNELS");
  }();
  return chosen;
}

}  // namespace

Kernels kernels() { return chosen_kernels().load(std::memory_order_relaxed); }

void set_kernels(Kernels choice) { chosen_kernels().store(choice, std::memory_order_relaxed); }

Kernels kernels_from(std::string_view word, std::string_view where) {
  if (word == "native") return Kernels::kNative;
  if (word == "library") return Kernels::kLibrary;
  core::fail_request("{} is '{}': it must be native or library", where, word);
}

}  // namespace attune::model
