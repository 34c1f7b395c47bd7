// A program that runs beside ours and is talked to in lines: started once, written to and read from without
// blocking.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

namespace attune::feedback {

class ChildProcess {
 public:
  /// Starts `argv` (found along PATH) in a process group of its own, so that Ctrl-C reaches it through us.
  /// @throws Error{kRequest} when it cannot be started.
  explicit ChildProcess(const std::vector<std::string>& argv);
  /// Closes its input, waits a second (none after give_up()), then kills the group.
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  /// It misbehaved: the destructor need not wait for it.
  void give_up() { grace_ = 0; }

  /// Queues bytes for its standard input; they are written while waiting for lines.
  void write(std::string_view bytes) { outgoing_ += bytes; }

  enum class Event { kLine, kClosed, kTimeout, kTooLong };
  /// The next line of its standard output (without newline), or why there is none. kClosed: the output ended.
  Event next_line(std::string& line, double timeout_seconds);

  /// What became of it, for messages: "exited with code 3", "was killed by signal 11 (Segmentation fault)",
  /// "is still running". Waits briefly for its end.
  std::string state();
  /// The last part of what it wrote to standard output and standard error.
  std::string last_output();

 private:
  struct Pipe {
    int fd = -1;
    ~Pipe() { close(); }
    void close();
  };
  void write_some();
  void read_some(Pipe& pipe, std::string& into);
  bool take_line(std::string& line);
  bool wait_for_end(double seconds);

  pid_t pid_ = -1;
  double grace_ = 1;  ///< seconds that the destructor waits
  bool ended_ = false;
  int status_ = 0;
  Pipe input_, output_, errors_;
  std::string outgoing_, incoming_, error_text_;
  std::size_t written_ = 0, searched_ = 0;
  std::deque<std::string> recent_;  ///< last lines of its output
};

}  // namespace attune::feedback
