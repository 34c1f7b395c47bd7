#include "cli/completion.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "algorithm/method.h"
#include "cli/command.h"
#include "feedback/rule.h"
#include "generation/decoding.h"
#include "record/pairing.h"

namespace attune::cli {
namespace {

std::vector<std::string> names_of(const auto& entries) {
  std::vector<std::string> names;
  for (const auto& [name, make] : entries) names.emplace_back(name);
  return names;
}

/// "one of a, b" → a, b.
std::vector<std::string> choices_of(const core::OptionRow& row) {
  constexpr std::string_view kBegin = "one of ";
  std::vector<std::string> choices;
  if (row.type == "bool") return {"true", "false"};
  if (!row.allowed.starts_with(kBegin)) return choices;
  std::string rest = row.allowed.substr(kBegin.size()) + ", ";
  for (std::size_t comma; (comma = rest.find(", ")) != std::string::npos; rest = rest.substr(comma + 2))
    choices.push_back(rest.substr(0, comma));
  return choices;
}

std::vector<std::string> values_of(const core::OptionRow& row) {
  if (row.key == "method") return names_of(algorithm::method_entries());
  if (row.key == "pairing") return names_of(record::pairing_entries());
  if (row.key == "rule") return names_of(feedback::rule_entries());
  if (row.key == "decoding") return names_of(generation::decoding_entries());
  return choices_of(row);
}

std::vector<std::string> words_of(const CommandInfo& info) {
  std::vector<std::string> words = {"--json", "--help"};
  for (const std::string& flag : info.flags) words.push_back("--" + flag);
  words.insert(words.end(), info.known_words.begin(), info.known_words.end());
  return words;
}

std::string quoted(std::string text) {
  for (std::size_t at = 0; (at = text.find('\'', at)) != std::string::npos; at += 4)
    text.replace(at, 1, "'\\''");
  return "'" + text + "'";
}

std::string words_line(const CompletedCommand& command) {
  std::string line = fmt::format("{}", fmt::join(command.words, " "));
  for (const CompletedKey& key : command.keys) line += " " + key.name + "=";
  return line;
}

/// case COMMAND in … esac of bash and zsh, which set `known`, and `values` where a key has some.
std::string cases(const std::vector<CompletedCommand>& commands) {
  std::string out = "  case $command in\n";
  for (const CompletedCommand& command : commands) {
    out += fmt::format("    {})\n      known={}\n      case $key in\n", command.name,
                       quoted(words_line(command)));
    for (const CompletedKey& key : command.keys)
      if (!key.values.empty())
        out += fmt::format("        {}) values={} ;;\n", key.name,
                           quoted(fmt::format("{}", fmt::join(key.values, " "))));
    out += "      esac ;;\n";
  }
  return out + "  esac\n";
}

std::string names_line(const std::vector<CompletedCommand>& commands) {
  std::vector<std::string> names;
  for (const CompletedCommand& command : commands) names.push_back(command.name);
  return fmt::format("{}", fmt::join(names, " "));
}

std::string bash(const std::vector<CompletedCommand>& commands) {
  // The shell takes words apart at '=', so the word is read from the line itself.
  return "# bash completion of attune: source <(attune completion bash)\n"
         "_attune() {\n"
         "  local line=${COMP_LINE:0:COMP_POINT} command=${COMP_WORDS[1]} known= values= key= part cut\n"
         "  local word=${line##* }\n"
         "  COMPREPLY=()\n"
         "  if [[ $COMP_CWORD -le 1 ]]; then\n"
         "    COMPREPLY=($(compgen -W " +
         quoted(names_line(commands)) +
         " -- \"$word\"))\n"
         "    return\n"
         "  fi\n"
         "  [[ $word == *=* ]] && key=${word%%=*}\n" +
         cases(commands) +
         "  if [[ $word == *=* ]]; then\n"
         "    part=${word#*=}\n"
         "    if [[ -n $values ]]; then COMPREPLY=($(compgen -W \"$values\" -- \"$part\"))\n"
         "    else compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- \"$part\")); fi\n"
         "    [[ $COMP_WORDBREAKS == *=* ]] || COMPREPLY=(\"${COMPREPLY[@]/#/$key=}\")\n"
         "    return\n"
         "  fi\n"
         "  COMPREPLY=($(compgen -W \"$known\" -- \"$word\") $(compgen -f -X '!*.yaml' -- \"$word\")"
         " $(compgen -f -X '!*.yml' -- \"$word\"))\n"
         "  [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *= ]] && compopt -o nospace 2>/dev/null\n"
         "  return 0\n"
         "}\n"
         "complete -F _attune attune\n";
}

std::string zsh(const std::vector<CompletedCommand>& commands) {
  std::string summaries;
  for (const CompletedCommand& command : commands)
    summaries += "    " + quoted(command.name + ":" + command.summary) + "\n";
  return "#compdef attune\n"
         "_attune() {\n"
         "  local command=$words[2] key= values= part\n"
         "  local -a commands=(\n" +
         summaries +
         "  )\n"
         "  if (( CURRENT == 2 )); then\n"
         "    _describe command commands\n"
         "    return\n"
         "  fi\n"
         "  [[ $PREFIX == *=* ]] && key=${PREFIX%%=*}\n"
         "  local known=\n" +
         cases(commands) +
         "  if compset -P '*='; then\n"
         "    if [[ -n $values ]]; then compadd -- ${=values}; else _files; fi\n"
         "    return\n"
         "  fi\n"
         "  compadd -S '' -- ${(M)${=known}:#*=}\n"
         "  compadd -- ${${=known}:#*=}\n"
         "  _files -g '*.y(a|)ml'\n"
         "}\n"
         "compdef _attune attune 2>/dev/null\n";
}

std::string fish(const std::vector<CompletedCommand>& commands) {
  std::string out = "# fish completion of attune\ncomplete -c attune -f\n";
  for (const CompletedCommand& command : commands) {
    out += fmt::format("complete -c attune -n __fish_use_subcommand -a {} -d {}\n", command.name,
                       quoted(command.summary));
    const std::string behind = quoted("__fish_seen_subcommand_from " + command.name);
    std::vector<std::string> words = command.words;
    for (const CompletedKey& key : command.keys) {
      words.push_back(key.name + "=");
      for (const std::string& value : key.values) words.push_back(key.name + "=" + value);
    }
    out += fmt::format("complete -c attune -n {} -F -a {}\n", behind,
                       quoted(fmt::format("{}", fmt::join(words, " "))));
  }
  return out;
}

}  // namespace

std::vector<CompletedCommand> completed_commands() {
  std::vector<CompletedCommand> commands;
  for (const auto& [name, make] : command_entries()) {
    const auto command = make();
    const CommandInfo info = command->info();
    core::Fields fields;
    command->declare(fields);
    CompletedCommand completed{info.name, info.summary, words_of(info), {}};
    for (const core::OptionRow& row : core::option_rows(fields)) {
      if (!row.short_form.empty()) completed.keys.push_back({row.short_form, values_of(row)});
      completed.keys.push_back({row.key, values_of(row)});
    }
    commands.push_back(std::move(completed));
  }
  return commands;
}

std::string completion_script(std::string_view shell, const std::vector<CompletedCommand>& commands) {
  if (shell == "zsh") return zsh(commands);
  return shell == "fish" ? fish(commands) : bash(commands);
}

}  // namespace attune::cli
