// Progress on standard error: a bar that redraws itself on a terminal, plain lines now and then when piped.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace attune::core {

enum class ProgressStyle {
  kAuto,  ///< a bar on a terminal, lines otherwise
  kBar,
  kLines,
  kQuiet,  ///< nothing
};

/// Progress of one task with a known (or unknown) number of units. Not for several threads at once.
///   Progress bar("training", steps, "step");  …  bar.update(step, "loss 0.41  1,204 tok/s");  …
///   bar.finish();
class Progress {
 public:
  /// @param total units to do; 0 when unknown. @param unit what is counted, in the singular ("step",
  /// "record").
  Progress(std::string title, std::int64_t total, std::string unit,
           ProgressStyle style = ProgressStyle::kAuto);
  /// Ends the line of an unfinished bar, so that a message after it starts on its own line.
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  /// Starts the clock now, with `done` units that an earlier part did; without it the clock starts when this
  /// is made, and the rate counts from the first update.
  void begin(std::int64_t done);
  /// Something else that has been dealt with since: its rate is shown at the end of the line. All rates and the
  /// time of a line are by the same clock.
  void also(std::int64_t amount, std::string_view units);
  /// `done` units are done. Draws at most ten times a second (bar) or once every five seconds (lines).
  void update(std::int64_t done, std::string_view extra = {});
  /// The last state, drawn in any case, and the end of the line.
  void finish(std::string_view extra = {});
  /// A line of text above the bar.
  void message(std::string_view text);

 private:
  void draw(bool last);
  std::string title_, unit_, extra_, also_units_;
  std::int64_t total_, done_ = 0, first_done_ = -1, also_ = 0;
  bool bar_, quiet_, on_screen_ = false, finished_ = false;
  double start_, first_update_ = 0, last_drawn_ = -1e9;
};

/// One state as text: "training  ███████░░░░  64% 128/200 step  3.1 step/s  23 s left  loss 0.41", cut to
/// `width` columns. `rate` in units per second, 0 when unknown; without a total there is no bar and no time
/// left.
std::string progress_text(std::string_view title, std::int64_t done, std::int64_t total,
                          std::string_view unit, double rate, std::string_view extra, std::size_t width,
                          bool with_bar);

/// Columns of the terminal on standard error; 80 when it has none.
std::size_t terminal_width();
bool stderr_is_terminal();

}  // namespace attune::core
