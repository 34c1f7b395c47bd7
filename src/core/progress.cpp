#include "core/progress.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "core/system.h"

namespace attune::core {
namespace {

constexpr double kBarSeconds = 0.1, kLineSeconds = 5.0;
constexpr std::size_t kBarColumns = 24, kSmallestBar = 8;

/// Columns that UTF-8 text of single-width characters takes.
std::size_t columns(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(
      text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

std::string cut_to(std::string_view text, std::size_t width) {
  if (columns(text) <= width) return std::string(text);
  std::size_t end = 0, seen = 0;
  for (; end < text.size(); ++end) {
    if ((static_cast<unsigned char>(text[end]) & 0xC0) != 0x80 && seen++ == width) break;
  }
  return std::string(text.substr(0, end));
}

std::string bar_of(double share, std::size_t width) {
  const auto full = static_cast<std::size_t>(share * static_cast<double>(width));
  std::string bar;
  for (std::size_t i = 0; i < width; ++i) bar += i < full ? "█" : "░";
  return bar;
}

std::string rate_text(double rate, std::string_view unit) {
  if (rate >= 100) return fmt::format("{}/s", counted(static_cast<std::int64_t>(rate), unit));
  return rate >= 1 ? fmt::format("{:.1f} {}s/s", rate, unit) : fmt::format("{:.1f} s/{}", 1 / rate, unit);
}

}  // namespace

std::size_t terminal_width() {
  winsize size{};
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return 80;
}

bool stderr_is_terminal() {
  const char* term = std::getenv("TERM");
  return ::isatty(STDERR_FILENO) == 1 && (term == nullptr || std::strcmp(term, "dumb") != 0);
}

std::string progress_text(std::string_view title, std::int64_t done, std::int64_t total,
                          std::string_view unit, double rate, std::string_view extra, std::size_t width,
                          bool with_bar) {
  std::string after;
  if (total > 0) {
    after = fmt::format("{:3d}% {}/{}", done * 100 / total, human_count(done), counted(total, unit));
  } else {
    after = counted(done, unit);
  }
  if (rate > 0) {
    after += "  " + rate_text(rate, unit);
    if (total > done) after += "  " + human_seconds(static_cast<double>(total - done) / rate) + " left";
  }
  if (!extra.empty()) after += fmt::format("  {}", extra);
  const std::size_t used = columns(title) + 4 + columns(after);
  if (!with_bar || total <= 0 || used + kSmallestBar > width) {
    return cut_to(fmt::format("{}  {}", title, after), width);
  }
  const double share = std::clamp(static_cast<double>(done) / static_cast<double>(total), 0.0, 1.0);
  return fmt::format("{}  {}  {}", title, bar_of(share, std::min(kBarColumns, width - used)), after);
}

Progress::Progress(std::string title, std::int64_t total, std::string unit, ProgressStyle style)
    : title_(std::move(title)),
      unit_(std::move(unit)),
      total_(total),
      bar_(style == ProgressStyle::kBar || (style == ProgressStyle::kAuto && stderr_is_terminal())),
      quiet_(style == ProgressStyle::kQuiet),
      start_(monotonic_seconds()) {}

Progress::~Progress() {
  if (on_screen_ && !finished_) std::fputc('\n', stderr);
}

void Progress::begin(std::int64_t done) {
  first_done_ = done_ = done;
  start_ = first_update_ = monotonic_seconds();
}

void Progress::also(std::int64_t amount, std::string_view units) {
  also_ = amount;
  also_units_ = units;
}

void Progress::update(std::int64_t done, std::string_view extra) {
  // The rate counts from the first update, so that neither what an earlier part of a resumed run did nor what
  // went unreported before distorts it.
  if (first_done_ < 0) {
    first_done_ = done;
    first_update_ = monotonic_seconds();
  }
  done_ = done;
  extra_ = extra;
  draw(false);
}

void Progress::finish(std::string_view extra) {
  if (finished_) return;
  if (!extra.empty()) extra_ = extra;
  draw(true);
  finished_ = true;
}

void Progress::message(std::string_view text) {
  if (quiet_) return;
  fmt::print(stderr, "{}{}\n", on_screen_ ? "\r\x1b[K" : "", text);
  on_screen_ = false;
  if (bar_ && !finished_) draw(false);
}

void Progress::draw(bool last) {
  const double now = monotonic_seconds();
  if (quiet_ || (!last && now - last_drawn_ < (bar_ ? kBarSeconds : kLineSeconds))) return;
  last_drawn_ = now;
  const double seconds = now - start_;
  const double measured = now - first_update_, done = static_cast<double>(done_ - first_done_);
  const double rate = first_done_ >= 0 && measured > 0.2 ? done / measured : 0;
  std::string extra = extra_;
  if (also_ > 0 && measured > 0.2)
    extra += fmt::format("  {} {}/s", human_count(std::llround(static_cast<double>(also_) / measured)),
                         also_units_);
  constexpr std::size_t kWide = 1000;
  // One column is left free: a full line would wrap on some terminals.
  const std::size_t width = bar_ ? std::max<std::size_t>(20, terminal_width()) - 1 : kWide;
  std::string text = progress_text(title_, done_, total_, unit_, rate, extra, width, bar_);
  if (last) text = cut_to(text + "  in " + human_seconds(seconds), width);
  fmt::print(stderr, "{}{}{}", bar_ ? "\r\x1b[K" : "", text, bar_ && !last ? "" : "\n");
  std::fflush(stderr);
  on_screen_ = bar_ && !last;
}

}  // namespace attune::core
