#include "cli/result_lines.h"

#include "core/error.h"
#include "core/system.h"

namespace attune::cli {

void ResultFile::declare(core::Fields& fields, std::string help) {
  fields.add("output", path, std::move(help));
  fields.add("overwrite", overwrite, "Replaces an output that is there.");
}

void ResultFile::require_free() const {
  std::error_code error;  // /dev/null, a pipe: nothing in them is lost
  if (!path.empty() && !overwrite && core::fs::is_regular_file(path, error))
    core::fail_request("output: {} is there already; choose another name, or say overwrite=true", path);
}

void write_result_lines(const std::string& path, const Output& out,
                        const std::function<void(const core::Sink&)>& produce) {
  const core::InterruptGuard guard;
  try {
    if (path.empty())
      produce([&](std::string_view line) { out.text(line); });
    else
      core::write_file_atomically(path, produce);
  } catch (const core::Error& error) {
    if (error.code() != core::ErrorCode::kInterrupted) throw;
    throw core::Error(core::ErrorCode::kInterrupted,
                      path.empty() ? "interrupted; what was printed is complete, line by line"
                                   : fmt::format("interrupted; {} was not written", path));
  }
}

void tell_noticed(const data::Noticed& noticed) {
  for (const auto& text : noticed.texts()) fmt::print(stderr, "warning: {}\n", text);
}

void tell_left_out(const std::map<std::string, std::int64_t>& left_out) {
  for (const auto& [reason, count] : left_out)
    fmt::print(stderr, "left out {}: {}\n", core::counted(count, "row"), reason);
}

}  // namespace attune::cli
