// Commands: one file each in cli/command/. `command/list.cpp` defines `std::unique_ptr<Command>
// command_list();` and with that `attune list` exists, with --help, typed options and errors that name their
// place.
//
//   class Score : public Command {
//    public:
//     CommandInfo info() const override { return {.name = "score", .summary = "…", …}; }
//     void declare(core::Fields& fields) override {
//       fields.section("model", model_, "The model.", "path");       // model=DIR, model.dtype=…
//       fields.add("rule", rule_, "A rule.").short_form("name");     // a core::Value: kept as written
//       fields.section("data", data_, "The records.", "path");
//       compute_.declare(fields);                                    // device, threads, seed at the top
//     }
//     int run(const Request& request, Output& out) override;         // options are set and checked by now
//   };
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/config/fields.h"
#include "core/config/value.h"
#include "core/json.h"

namespace attune::cli {

/// A command line that works, and what it does, for --help.
struct CommandExample {
  std::string line;     ///< "attune train recipes/dpo.yaml output=runs/x"
  std::string meaning;  ///< one short sentence
};

struct CommandInfo {
  std::string name;     ///< as typed; equals the file's name
  std::string summary;  ///< one line for `attune --help`
  std::string usage;    ///< what may follow the name: "KIND [--json]", "[recipe.yaml] [key=value …]"
  std::string details;  ///< a paragraph for --help; "" for none
  std::vector<CommandExample> examples;  ///< at least one
  /// How many words that are neither recipe nor key=value may be given (`list methods`: 1, 1).
  std::size_t min_words = 0, max_words = 0;
  /// Flags besides --json and --help, without dashes: {"compare"} for `explain --compare dpo ipo`.
  std::vector<std::string> flags = {};
  /// What those words may be, where there is a list of them: for the completion of shells.
  std::vector<std::string> known_words = {};
};

/// What a person typed, taken apart.
struct Request {
  std::vector<std::string> words;  ///< in order, without the command's name
  std::vector<std::string> flags;  ///< those of CommandInfo::flags that were given
  std::string recipe;              ///< path of the recipe, "" without one
  /// Recipe and arguments merged, later wins; a map. The options declared by the command are already set from
  /// it.
  core::Value settings;
  bool json = false;
  bool has_flag(std::string_view name) const;
};

/// Standard output. Results only; messages and progress go to standard error.
class Output {
 public:
  explicit Output(bool json) : json_(json) {}
  /// Whether --json was given: then only lines of JSON may be written.
  bool json() const { return json_; }
  /// One JSON object and a newline; written at once, so that a reader of a pipe sees it.
  void line(const core::Json& object) const;
  /// Text as it is. @throws Error{kRun} when standard output cannot take it (disk full).
  void text(std::string_view text) const;

 private:
  bool json_;
};

/// Standard output was closed by its reader (`attune list methods | head -1`): the program ends quietly.
struct OutputClosed {};

class Command {
 public:
  virtual ~Command() = default;
  virtual CommandInfo info() const = 0;
  /// Declares the options; pointers into this object.
  virtual void declare(core::Fields& fields) = 0;
  /// What of the options cannot be together, or is missing, once they are set: said in one message with what
  /// could not be read.
  /// @param refused something is, so that all the rest is said, too, even what would be let pass or takes reading
  virtual std::vector<std::string> objections([[maybe_unused]] bool refused) const { return {}; }
  /// Does it. @return the exit code. @throws core::Error, which run_program turns into a message and an exit code.
  virtual int run(const Request& request, Output& out) = 0;
};

/// Generated list: file name → factory, sorted.
const std::vector<std::pair<std::string_view, std::unique_ptr<Command> (*)()>>& command_entries();

/// Keys whose value is the rest of the argument as it is, never YAML.
inline const std::vector<std::string> kVerbatimKeys = {"text", "prompt"};

/// Takes the arguments after the command's name apart: a recipe (a word ending in .yaml or .yml), key=value
/// settings laid over it, words, flags. Fields are only asked for their short forms; nothing is assigned.
/// @throws Error{kRequest}
Request parse_request(const std::vector<std::string>& arguments, const CommandInfo& info,
                      const core::Fields& fields);

/// Refuses a request with all that is wrong with it in one message; does nothing where that is nothing.
/// @throws Error{kRequest}
void refuse_all(const std::vector<std::string>& objections);

/// The text of `attune <command> --help`.
std::string help_text(const CommandInfo& info, const core::Fields& fields);
/// The text of `attune --help`.
std::string overview_text();

/// Runs `attune ARGUMENTS…` and gives the exit code. Writes messages to standard error; throws nothing but
/// OutputClosed.
int run_program(const std::vector<std::string>& arguments);

}  // namespace attune::cli
