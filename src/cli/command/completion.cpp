// attune completion: what a shell needs to complete commands, settings and their values.
#include <algorithm>

#include "cli/command.h"
#include "cli/completion.h"
#include "core/config/nearest.h"
#include "core/error.h"

namespace attune::cli {
namespace {

const std::vector<std::string> kShells = {"bash", "zsh", "fish"};

class Completion : public Command {
 public:
  CommandInfo info() const override {
    return {
        .name = "completion",
        .summary = "Prints the completion of commands, settings and values for a shell.",
        .usage = "bash | zsh | fish [--help]",
        .details =
            "Commands and, behind one, its settings (key=) and their values: methods, schedules, whatever "
            "has a list; files elsewhere.",
        .examples = {{"source <(attune completion bash)", "for this shell; in ~/.bashrc for all"},
                     {"attune completion zsh > ~/.zsh/completions/_attune", "a folder of $fpath"},
                     {"attune completion fish > ~/.config/fish/completions/attune.fish", "for fish"}},
        .min_words = 1,
        .max_words = 1,
        .flags = {},
        .known_words = kShells};
  }
  void declare(core::Fields&) override {}

  int run(const Request& request, Output& out) override {
    const std::string& shell = request.words.front();
    if (std::find(kShells.begin(), kShells.end(), shell) == kShells.end())
      core::fail_request("there is no completion for '{}'{}", shell, core::did_you_mean(shell, kShells));
    out.text(completion_script(shell, completed_commands()));
    return 0;
  }
};

}  // namespace

std::unique_ptr<Command> command_completion() { return std::make_unique<Completion>(); }

}  // namespace attune::cli
