#include "core/system.h"

#include <fmt/format.h>
#include <sys/utsname.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <chrono>
#include <cmath>
#include <ctime>
#include <fstream>
#include <string_view>
#include <thread>

namespace attune::core {
namespace {

/// The text after "name:" in a /proc file of that shape, "" when it is missing.
std::string proc_entry(const char* file, std::string_view name) {
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    const std::size_t colon = line.find(':');
    if (colon == std::string::npos) continue;
    const std::size_t name_end = line.find_last_not_of(" \t", colon - 1);
    if (std::string_view(line).substr(0, name_end + 1) != name) continue;
    const std::size_t begin = line.find_first_not_of(" \t", colon + 1);
    return begin == std::string::npos ? "" : line.substr(begin);
  }
  return "";
}

double proc_megabytes(const char* file, std::string_view name) {
  const std::string text = proc_entry(file, name);  // "12345 kB"
  return text.empty() ? 0.0 : std::strtod(text.c_str(), nullptr) * 1024.0 / 1e6;
}

}  // namespace

double monotonic_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

std::string iso_time() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  char text[32];
  const std::size_t size = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return {text, size};
}

double peak_rss_mb() { return proc_megabytes("/proc/self/status", "VmHWM"); }
double huge_file_pages_mb() { return proc_megabytes("/proc/self/smaps_rollup", "FilePmdMapped"); }
std::string program_version() { return ATTUNE_VERSION; }

Json library_versions() {
  return {{"attune", ATTUNE_VERSION},
          {"compiler", __VERSION__},
          {"fmt", fmt::format("{}.{}.{}", FMT_VERSION / 10000, FMT_VERSION / 100 % 100, FMT_VERSION % 100)},
          {"nlohmann_json", fmt::format("{}.{}.{}", NLOHMANN_JSON_VERSION_MAJOR, NLOHMANN_JSON_VERSION_MINOR,
                                        NLOHMANN_JSON_VERSION_PATCH)},
          {"zlib", zlibVersion()},
          {"zstd", ZSTD_versionString()}};
}

Json machine() {
  utsname names{};
  ::uname(&names);
  return {{"hostname", names.nodename},
          {"system", fmt::format("{} {} {}", names.sysname, names.release, names.machine)},
          {"cpu", proc_entry("/proc/cpuinfo", "model name")},
          {"cores", std::thread::hardware_concurrency()},
          {"memory_mb", std::round(proc_megabytes("/proc/meminfo", "MemTotal"))}};
}

std::string human_seconds(double seconds) {
  if (!(seconds >= 0) || seconds > 1e9) return "?";
  if (seconds < 9.95) return fmt::format("{:.1f} s", seconds);
  const auto whole = static_cast<std::int64_t>(std::llround(seconds));
  if (whole < 60) return fmt::format("{} s", whole);
  if (whole < 3600) return fmt::format("{}m {:02}s", whole / 60, whole % 60);
  return fmt::format("{}h {:02}m", whole / 3600, whole / 60 % 60);
}

std::string human_count(std::int64_t count) {
  std::string digits = std::to_string(count);
  for (std::size_t at = digits.size(); at > (count < 0 ? 4u : 3u);) digits.insert(at -= 3, ",");
  return digits;
}

std::string counted(std::int64_t count, std::string_view noun) {
  return human_count(count) + " " + std::string(noun) + (count == 1 ? "" : "s");
}

}  // namespace attune::core
