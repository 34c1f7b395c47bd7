#include "feedback/child_process.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <ctime>
#include <thread>

#include "core/error.h"
#include "core/system.h"

extern char** environ;  // NOLINT: POSIX declares it so

namespace attune::feedback {
namespace {

constexpr std::size_t kLongestLine = std::size_t{16} << 20;
constexpr std::size_t kErrorTail = 4096;
constexpr std::size_t kRecentLines = 5;
constexpr std::size_t kShownLine = 300;

struct PipePair {
  int read = -1, write = -1;
};

PipePair make_pipe() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) core::fail_run("cannot make a pipe: {}", std::strerror(errno));
  return {ends[0], ends[1]};
}

void set_non_blocking(int fd) { fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK); }

/// Keeps a write to a closed pipe from killing this program, whatever main() says about SIGPIPE.
class PipeSignalBlocked {
 public:
  PipeSignalBlocked() {
    sigemptyset(&signal_);
    sigaddset(&signal_, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &signal_, &before_);
  }
  ~PipeSignalBlocked() {
    const timespec now{0, 0};
    while (sigtimedwait(&signal_, nullptr, &now) > 0) {
    }
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }

 private:
  sigset_t signal_{}, before_{};
};

/// Attributes and file actions of posix_spawn, freed at the end.
struct SpawnSetup {
  posix_spawn_file_actions_t actions{};
  posix_spawnattr_t attributes{};
  SpawnSetup(const PipePair& in, const PipePair& out, const PipePair& err) {
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in.read, STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, out.write, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, err.write, STDERR_FILENO);
    posix_spawnattr_init(&attributes);
    sigset_t none, normal;
    sigemptyset(&none);
    sigemptyset(&normal);
    for (const int signal : {SIGPIPE, SIGINT, SIGTERM}) sigaddset(&normal, signal);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &normal);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setflags(&attributes,
                             POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
  }
  ~SpawnSetup() {
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
  }
  SpawnSetup(const SpawnSetup&) = delete;
  SpawnSetup& operator=(const SpawnSetup&) = delete;
};

}  // namespace

void ChildProcess::Pipe::close() {
  if (fd >= 0) ::close(fd);
  fd = -1;
}

ChildProcess::ChildProcess(const std::vector<std::string>& argv) {
  ATTUNE_ASSERT(!argv.empty());
  const PipePair in = make_pipe(), out = make_pipe(), err = make_pipe();
  input_.fd = in.write;
  output_.fd = out.read;
  errors_.fd = err.read;
  std::vector<char*> arguments;
  for (const std::string& argument : argv)
    arguments.push_back(const_cast<char*>(argument.c_str()));  // NOLINT
  arguments.push_back(nullptr);
  int error = 0;
  {
    const SpawnSetup setup(in, out, err);
    error = posix_spawnp(&pid_, arguments[0], &setup.actions, &setup.attributes, arguments.data(), environ);
  }
  for (const int fd : {in.read, out.write, err.write}) ::close(fd);
  if (error != 0) {
    pid_ = -1;
    core::fail_request("the program '{}' cannot be started: {}", argv[0], std::strerror(error));
  }
  for (const int fd : {input_.fd, output_.fd, errors_.fd}) set_non_blocking(fd);
}

ChildProcess::~ChildProcess() {
  if (pid_ < 0) return;
  input_.close();
  if (!wait_for_end(grace_)) {
    kill(-pid_, SIGTERM);
    if (!wait_for_end(0.5)) kill(-pid_, SIGKILL);
    wait_for_end(5.0);
  }
}

bool ChildProcess::wait_for_end(double seconds) {
  const core::Stopwatch watch;
  while (!ended_) {
    const pid_t result = waitpid(pid_, &status_, WNOHANG);
    if (result == pid_ || (result < 0 && errno != EINTR)) ended_ = true;
    if (ended_ || watch.seconds() >= seconds) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return ended_;
}

void ChildProcess::write_some() {
  const PipeSignalBlocked blocked;
  const ssize_t count = ::write(input_.fd, outgoing_.data() + written_, outgoing_.size() - written_);
  if (count < 0) {
    // Its end is noticed at its output; what it wrote before that still counts.
    if (errno != EAGAIN && errno != EINTR) input_.close();
    return;
  }
  written_ += static_cast<std::size_t>(count);
  if (written_ == outgoing_.size()) {
    outgoing_.clear();
    written_ = 0;
  }
}

void ChildProcess::read_some(Pipe& pipe, std::string& into) {
  char buffer[65536];
  const ssize_t count = ::read(pipe.fd, buffer, sizeof buffer);
  if (count > 0) {
    into.append(buffer, static_cast<std::size_t>(count));
  } else if (count == 0 || (errno != EAGAIN && errno != EINTR)) {
    pipe.close();
  }
}

bool ChildProcess::take_line(std::string& line) {
  const std::size_t end = incoming_.find('\n', searched_);
  if (end == std::string::npos) {
    searched_ = incoming_.size();
    if (output_.fd >= 0 || incoming_.empty()) return false;
    line = std::move(incoming_);  // a last line without newline
    incoming_.clear();
  } else {
    line = incoming_.substr(0, end);
    incoming_.erase(0, end + 1);
  }
  searched_ = 0;
  recent_.push_back(line.substr(0, kShownLine));
  if (recent_.size() > kRecentLines) recent_.pop_front();
  return true;
}

ChildProcess::Event ChildProcess::next_line(std::string& line, double timeout_seconds) {
  const core::Stopwatch watch;
  while (true) {
    if (take_line(line)) return Event::kLine;
    if (output_.fd < 0) return Event::kClosed;
    if (incoming_.size() > kLongestLine) return Event::kTooLong;
    const double left = timeout_seconds - watch.seconds();
    if (left <= 0) return Event::kTimeout;
    // poll() skips negative descriptors.
    const bool writing = input_.fd >= 0 && written_ < outgoing_.size();
    pollfd watched[3] = {
        {output_.fd, POLLIN, 0}, {errors_.fd, POLLIN, 0}, {writing ? input_.fd : -1, POLLOUT, 0}};
    poll(watched, 3, static_cast<int>(std::min(left, 1.0) * 1000) + 1);
    if (watched[0].revents != 0) read_some(output_, incoming_);
    if (watched[1].revents != 0) read_some(errors_, error_text_);
    if (error_text_.size() > 2 * kErrorTail) error_text_.erase(0, error_text_.size() - kErrorTail);
    if (watched[2].revents != 0) write_some();
  }
}

std::string ChildProcess::state() {
  if (!wait_for_end(0.3)) return "is still running";
  if (WIFEXITED(status_)) return fmt::format("exited with code {}", WEXITSTATUS(status_));
  if (WIFSIGNALED(status_)) {
    return fmt::format("was killed by signal {} ({})", WTERMSIG(status_), strsignal(WTERMSIG(status_)));
  }
  return "ended";
}

std::string ChildProcess::last_output() {
  if (output_.fd < 0) wait_for_end(0.3);  // what it says while it ends
  for (std::size_t size = 0; errors_.fd >= 0 && error_text_.size() < kLongestLine;) {
    size = error_text_.size();
    read_some(errors_, error_text_);
    if (error_text_.size() == size) break;
  }
  std::string text;
  for (const std::string& line : recent_) text += "\n  output: " + line;
  std::string rest = error_text_.substr(error_text_.size() - std::min(error_text_.size(), kErrorTail));
  while (!rest.empty() && rest.back() == '\n') rest.pop_back();
  for (std::size_t at = 0; at < rest.size();) {
    const std::size_t end = std::min(rest.find('\n', at), rest.size());
    text += "\n  error:  " + rest.substr(at, std::min(end - at, kShownLine));
    at = end + 1;
  }
  return text.empty() ? "\n  (it wrote nothing)" : text;
}

}  // namespace attune::feedback
