// Where the lines of a command that computes for long go, and what Ctrl-C does to them. Shared by `generate`,
// `score` and `tokenize`.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "cli/command.h"
#include "core/files/files.h"
#include "core/interrupt.h"
#include "data/noticed.h"

namespace attune::cli {

/// Where results go: `output` and `overwrite` of the commands that write them.
struct ResultFile {
  std::string path;  ///< "": standard output
  bool overwrite = false;
  void declare(core::Fields& fields, std::string help);
  /// Called before any work is done. @throws Error{kRequest} where the file is there and may not be replaced
  void require_free() const;
};

/// Gives `produce` a sink of lines: the file `path`, which appears under its name when all are there, or
/// standard output where `path` is "". `produce` calls core::stop_if_interrupted() between rows.
/// @throws core::Error{kInterrupted} saying what became of the lines, when it was asked to stop.
void write_result_lines(const std::string& path, const Output& out,
                        const std::function<void(const core::Sink&)>& produce);

/// Says on standard error what rows gave cause to say.
void tell_noticed(const data::Noticed& noticed);

/// Says on standard error how many rows were left out: reason → rows.
void tell_left_out(const std::map<std::string, std::int64_t>& left_out);

}  // namespace attune::cli
