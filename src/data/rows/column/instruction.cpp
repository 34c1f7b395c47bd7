#include "data/rows/column/instruction.h"

#include <fmt/format.h>

namespace attune::data {
namespace {

std::string request(const std::string& text, const std::string& input) {
  return fmt::format("### Instruction:\n{}\n\n{}### Response:\n", text,
                     input.empty() ? "" : fmt::format("### Input:\n{}\n\n", input));
}

}  // namespace

std::string instruction_prompt(const Instruction& instruction) {
  std::string out = instruction.system;
  if (out.empty()) {
    out = fmt::format(
        "Below is an instruction that describes a task{}. Write a response that appropriately completes the "
        "request.",
        instruction.input.empty() ? "" : ", paired with an input that provides further context");
  }
  out += "\n\n";
  for (const auto& [text, answer] : instruction.history) out += request(text, "") + answer + "\n\n";
  return out + request(instruction.text, instruction.input);
}

}  // namespace attune::data
