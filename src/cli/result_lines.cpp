#include "cli/result_lines.h"

#include "core/error.h"

namespace attune::cli {

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

}  // namespace attune::cli
