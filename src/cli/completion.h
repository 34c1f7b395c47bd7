// Completion scripts of shells, written from the commands and their options.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace attune::cli {

/// A setting, and what may stand behind its '='; without values a file is completed there.
struct CompletedKey {
  std::string name;
  std::vector<std::string> values;
};

struct CompletedCommand {
  std::string name, summary;
  std::vector<std::string> words;  ///< --flags, and words of its own (kinds of `list`, methods of `explain`)
  std::vector<CompletedKey> keys;
};

/// Every command of the program with its options, short forms included.
std::vector<CompletedCommand> completed_commands();

/// @param shell "bash", "zsh" or "fish"
std::string completion_script(std::string_view shell, const std::vector<CompletedCommand>& commands);

}  // namespace attune::cli
