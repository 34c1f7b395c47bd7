#include "report/finding/findings.h"

#include <fmt/format.h>

#include <cmath>

namespace attune::report {
namespace {

std::string with_true_minus(std::string text) {
  for (std::size_t at = text.find('-'); at != std::string::npos; at = text.find('-', at + 3)) {
    text.replace(at, 1, "−");
  }
  return text;
}

}  // namespace

std::string readable(double value) {
  if (std::isnan(value)) return "–";
  if (std::isinf(value)) return value > 0 ? "∞" : "−∞";
  if (value == 0) return "0";  // −0 is no news
  const double size = std::abs(value);
  if (size >= 1e5 && size < 1e13) {
    static constexpr std::pair<double, const char*> kUnits[] = {{1e9, " G"}, {1e6, " M"}, {1e3, " k"}};
    for (const auto& [unit, letter] : kUnits) {
      if (size >= unit) return with_true_minus(fmt::format("{:.3g}{}", value / unit, letter));
    }
  }
  if (size >= 100 && size < 1e5) return with_true_minus(fmt::format("{:.0f}", value));
  // Trailing zeros stay, so that numbers beside each other have the same precision.
  return with_true_minus(size < 1e13 && value == std::floor(value) ? fmt::format("{:.0f}", value)
                                                                   : fmt::format("{:#.3g}", value));
}

std::string readable_change(double value) { return value > 0 ? "+" + readable(value) : readable(value); }

std::string readable_seconds(double seconds) {
  if (!std::isfinite(seconds) || seconds < 0) return "–";
  if (seconds < 10) return fmt::format("{:.2g} s", seconds);
  if (seconds < 60) return fmt::format("{:.0f} s", seconds);
  const double minutes = std::floor(seconds / 60);
  if (minutes < 60) return fmt::format("{:.0f} min {:.0f} s", minutes, std::floor(seconds - 60 * minutes));
  const double hours = std::floor(minutes / 60);
  if (hours < 48) return fmt::format("{:.0f} h {:.0f} min", hours, minutes - 60 * hours);
  const double days = std::floor(hours / 24);
  return days < 1e4 ? fmt::format("{:.0f} days {:.0f} h", days, hours - 24 * days) : readable(days) + " days";
}

}  // namespace attune::report
