// Kernels of our own, compiled once per instruction set; which copy runs is chosen when it is called, by the
// processor and by what the environment allows.
//
//   ATTUNE_KERNEL void add(const float* x, std::int64_t count, float* out) { … }  // and all that it calls
//
//   void add_rows(…) { ATTUNE_ON_BEST_INSTRUCTIONS(add(x, count, out)); }
#pragma once

#include <string_view>

namespace attune::model {

/// In ascending order; on processors other than x86-64 there is kBaseline alone.
enum class InstructionSet { kBaseline, kAvx2, kAvx512 };

/// The best that this processor has and the environment variable ATEN_CPU_CAPABILITY allows; libtorch's
/// kernels heed the same variable. Looked up once.
InstructionSet instruction_set();

/// The lesser of `has` and what `asked` names: "default", "avx2" or "avx512…" as libtorch spells them. Any
/// other word, and none, asks for nothing.
InstructionSet capped_instruction_set(InstructionSet has, std::string_view asked);

}  // namespace attune::model

#if defined(__GNUC__) && defined(__x86_64__)
/// The body of a kernel: inlined into each copy, and so compiled with its instructions.
#define ATTUNE_KERNEL __attribute__((always_inline)) inline
/// Returns the value of `…`, a call of a kernel, from the copy that fits.
#define ATTUNE_ON_BEST_INSTRUCTIONS(...)                                                \
  switch (::attune::model::instruction_set()) {                                         \
    case ::attune::model::InstructionSet::kAvx512:                                      \
      return [&]() __attribute__((target("arch=x86-64-v4"))) { return __VA_ARGS__; }(); \
    case ::attune::model::InstructionSet::kAvx2:                                        \
      return [&]() __attribute__((target("arch=x86-64-v3"))) { return __VA_ARGS__; }(); \
    case ::attune::model::InstructionSet::kBaseline:                                    \
      break;                                                                            \
  }                                                                                     \
  return [&]() { return __VA_ARGS__; }()
#else
#define ATTUNE_KERNEL inline
#define ATTUNE_ON_BEST_INSTRUCTIONS(...) return __VA_ARGS__
#endif
