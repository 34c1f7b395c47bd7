#include <ATen/ATen.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <new>

#include "algorithm/method.h"
#include "cli/command.h"
#include "cli/foreign/translate.h"
#include "core/config/nearest.h"
#include "core/error.h"
#include "core/system.h"

namespace attune::cli {
namespace {

void say(std::string_view message) { fmt::print(stderr, "attune: {}\n", message); }

bool asks_for_help(const std::vector<std::string>& arguments) {
  for (const std::string& argument : arguments) {
    if (argument == "--help" || argument == "-h") return true;
  }
  return false;
}

/// "dpo" and "sft" are commands of TRL, and methods here.
std::string method_hint(const std::string& name) {
  for (const auto& [entry, make] : algorithm::method_entries()) {
    if (entry == name || make()->info().is_of_trainer(name))
      return fmt::format("; to learn by it: attune train method={} model=… data=… output=…", name);
  }
  return "";
}

[[noreturn]] void unknown_command(const std::string& name) {
  if (const std::string hint = method_hint(name); !hint.empty())
    core::fail_request("unknown command '{}'{}", name, hint);
  std::vector<std::string> names;
  for (const auto& entry : command_entries()) names.emplace_back(entry.first);
  core::fail_request("unknown command '{}'{}", name, core::did_you_mean(name, names));
}

std::unique_ptr<Command> make_command(const std::string& name) {
  for (const auto& [known, make] : command_entries()) {
    if (known == name) return make();
  }
  unknown_command(name);
}

/// @param refused what has no counterpart here @param besides what else is wrong
void fail_with_all(const std::vector<std::string>& refused, const std::vector<std::string>& besides) {
  if (refused.empty()) return refuse_all(besides);
  core::fail_request("not here, and what to do instead:\n  {}{}{}", fmt::join(refused, "\n  "),
                     besides.empty() ? "" : "\nand besides:\n  ", fmt::join(besides, "\n  "));
}

/// The setting whose value a message refuses, "" where it is about something else.
std::string key_not_read(const std::string& message, const core::Fields& fields) {
  for (const auto& row : core::option_rows(fields))
    if (message.find(fmt::format(": {} must be ", row.key)) != std::string::npos) return row.key;
  return "";
}

/// Whether a text speaks of a setting, and not of a longer name that holds its own.
bool names_setting(std::string_view text, std::string_view key) {
  const auto goes_on = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; };
  for (std::size_t at = text.find(key); at != std::string_view::npos; at = text.find(key, at + 1)) {
    const std::string_view after = text.substr(at + key.size());
    const bool begins = at == 0 || !(goes_on(text[at - 1]) || text[at - 1] == '.');
    const bool deeper = after.size() > 1 && after[0] == '.' && goes_on(after[1]);
    if (begins && !deeper && (after.empty() || !goes_on(after[0]))) return true;
  }
  return false;
}

/// Whether a line is about a setting; after a name without a section a colon begins many another.
bool begins_with_setting(std::string_view line, std::string_view key) {
  if (!line.starts_with(key) || line.size() == key.size()) return false;
  const char next = line[key.size()];
  return next == ' ' || (next == ':' && key.find('.') != std::string_view::npos);
}

/// Before a line about a setting of ours that came under another name: where, and under which.
std::string in_their_words(const std::string& objection, const std::vector<Origin>& origins) {
  std::string told;
  for (std::size_t at = 0, end = 0; end != std::string::npos; at = end + 1) {
    end = objection.find('\n', at);
    const std::string line = objection.substr(at, end == std::string::npos ? end : end - at);
    const std::size_t text = std::min(line.find_first_not_of(' '), line.size());
    const auto from = std::ranges::find_if(origins, [&](const Origin& origin) {
      return origin.ours != origin.name &&
             begins_with_setting(std::string_view(line).substr(text), origin.ours);
    });
    if (at > 0) told += '\n';
    told += line.substr(0, text);
    if (from != origins.end()) told += fmt::format("{}: {}: ", from->value.place(), from->name);
    told += line.substr(text);
  }
  return told;
}

/// Sets the command's options from the request, after other programs' words in it were put into ours. What
/// cannot be is said in one message, but what only follows from it: a setting that could not be read, or was refused
/// under another name, is not missing.
void take_settings(Request& request, core::Fields& fields, const Command& command) {
  Translation translation{request.settings, {}, {}, {}, {}, {}};
  if (fields.find("method") != nullptr) translation = in_our_words(request.settings, fields);
  std::vector<std::string> besides = std::move(translation.unknown), &unread = translation.unsettled;
  for (std::string& message : fields.assign_what_can_be(translation.settings)) {
    if (std::string key = key_not_read(message, fields); !key.empty()) unread.push_back(std::move(key));
    besides.push_back(std::move(message));
  }
  for (std::string& objection : command.objections(!translation.refused.empty() || !besides.empty()))
    if (std::ranges::none_of(unread, [&](const std::string& key) { return names_setting(objection, key); }))
      besides.push_back(in_their_words(objection, translation.origins));
  fail_with_all(translation.refused, besides);
  for (const std::string& remark : translation.remarks) say(remark);
  request.settings = std::move(translation.settings);
}

int run_command(const std::string& name, const std::vector<std::string>& rest) {
  const auto command = make_command(name);
  const CommandInfo info = command->info();
  core::Fields fields;
  command->declare(fields);
  if (asks_for_help(rest)) {
    Output(false).text(help_text(info, fields));
    return 0;
  }
  Request request = parse_request(rest, info, fields);
  take_settings(request, fields, *command);
  Output out(request.json);
  return command->run(request, out);
}

int dispatch(const std::vector<std::string>& arguments) {
  const std::string first = arguments.empty() ? "--help" : arguments.front();
  const std::vector<std::string> rest(arguments.begin() + (arguments.empty() ? 0 : 1), arguments.end());
  if (first == "--help" || first == "-h" || (first == "help" && rest.empty())) {
    Output(false).text(overview_text());
    return 0;
  }
  if (first == "--version" || first == "-V") {
    Output(false).text(
        fmt::format("attune {} (libtorch {})\n", core::program_version(), ATTUNE_TORCH_VERSION));
    return 0;
  }
  if (first == "help") return run_command(rest.front(), {"--help"});
  if (first[0] == '-')
    core::fail_request("unknown flag '{}'; a command comes first, see attune --help", first);
  return run_command(first, rest);
}

}  // namespace

void refuse_all(const std::vector<std::string>& objections) {
  if (objections.empty()) return;
  core::fail_request("{}{}", objections.size() == 1 ? "" : "all of this is to change:\n  ",
                     fmt::join(objections, "\n  "));
}

void Output::line(const core::Json& object) const { text(core::to_line(object) + "\n"); }

void Output::text(std::string_view text) const {
  const bool ok = std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0;
  if (ok) return;
  if (errno == EPIPE) throw OutputClosed{};
  core::fail_run("cannot write to standard output: {}", std::strerror(errno));
}

int run_program(const std::vector<std::string>& arguments) {
  try {
    return dispatch(arguments);
  } catch (const core::Error& error) {
    say(error.what());
    return error.exit_code();
  } catch (const c10::Error& error) {
    // Its what() holds a stack trace, which says nothing to the person who typed the command.
    say(fmt::format("internal error in a tensor operation: {}; please report it",
                    error.what_without_backtrace()));
  } catch (const std::bad_alloc&) {
    say("not enough memory; try a smaller model, shorter sequences or training.micro_batch_tokens");
  } catch (const std::exception& error) {
    say(fmt::format("internal error: {}; please report it", error.what()));
  }
  return 1;
}

}  // namespace attune::cli
