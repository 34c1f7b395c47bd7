// Objects of C libraries, freed when their owner goes.
#pragma once

#include <memory>

namespace attune::core {

template <auto kFree>
struct Freer {
  template <class T>
  void operator()(T* pointer) const {
    kFree(pointer);
  }
};

/// A pointer that a C function frees: `Owned<pcre2_code, pcre2_code_free>`.
template <class T, auto kFree>
using Owned = std::unique_ptr<T, Freer<kFree>>;

}  // namespace attune::core
