// Instructions as plain text, for models without a chat template.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace attune::data {

struct Instruction {
  std::string system, text, input;                           ///< system and input may be ""
  std::vector<std::pair<std::string, std::string>> history;  ///< earlier {instruction, answer}
};

/// The prompt of Stanford Alpaca (Taori et al. 2023), which the answer follows on a line of its own as in
/// LLaMA-Factory; from there also that a system text replaces the opening sentence, and earlier turns before
/// the instruction.
std::string instruction_prompt(const Instruction& instruction);

}  // namespace attune::data
