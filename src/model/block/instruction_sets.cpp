#include "model/block/instruction_sets.h"

#include <algorithm>
#include <cstdlib>

namespace attune::model {
namespace {

InstructionSet of_this_processor() {
#if defined(__GNUC__) && defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("x86-64-v4")) return InstructionSet::kAvx512;
  if (__builtin_cpu_supports("x86-64-v3")) return InstructionSet::kAvx2;
#endif
  return InstructionSet::kBaseline;
}

}  // namespace

InstructionSet capped_instruction_set(InstructionSet has, std::string_view asked) {
  if (asked == "default") return InstructionSet::kBaseline;
  if (asked == "avx2") return std::min(has, InstructionSet::kAvx2);
  return has;
}

InstructionSet instruction_set() {
  static const InstructionSet chosen = [] {
    const char* asked = std::getenv("ATEN_CPU_CAPABILITY");
    return capped_instruction_set(of_this_processor(), asked == nullptr ? "" : asked);
  }();
  return chosen;
}

}  // namespace attune::model
