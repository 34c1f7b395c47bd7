// The machine around the program: time, memory, versions, terminal.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/json.h"

namespace attune::core {

/// Seconds of a clock that only goes forward; differences are durations.
double monotonic_seconds();
/// The present time in UTC, "2026-03-01T12:34:56Z".
std::string iso_time();
/// The most memory this process has held so far (VmHWM), in MB of 10^6 bytes; 0 where the system does not
/// say.
double peak_rss_mb();
/// What of it lies in files that the system maps by huge pages of 2 MiB, in MB: pages of libraries that
/// nothing has touched count with those beside them.
double huge_file_pages_mb();
/// "0.1.0"
std::string program_version();
/// {"attune", "compiler", "fmt", "nlohmann_json", "yaml-cpp"?, "zlib", "zstd"}: versions; folders with more
/// libraries add theirs.
Json library_versions();
/// {"hostname", "system", "cpu", "cores", "memory_mb"}
Json machine();
/// "1h 02m", "3m 05s", "12 s", "0.4 s"
std::string human_seconds(double seconds);
/// "1234" → "1,234"
std::string human_count(std::int64_t count);
/// A count with its noun: "1 row", "1,234 rows". @param noun in the singular, with a plural in -s.
std::string counted(std::int64_t count, std::string_view noun);

/// Measures from its construction.
class Stopwatch {
 public:
  Stopwatch() : start_(monotonic_seconds()) {}
  double seconds() const { return monotonic_seconds() - start_; }

 private:
  double start_;
};

}  // namespace attune::core
