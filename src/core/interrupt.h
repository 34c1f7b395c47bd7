// Ctrl-C: the first asks loops to save and stop, the second ends the program at once with exit code 130.
// Either way no half-written file stays.
#pragma once

#include <atomic>
#include <string>

namespace attune::core {

/// While one exists, SIGINT and SIGTERM set a flag instead of ending the program; a second signal ends it at
/// once (status 130). The handlers from before come back with the last guard. A long command makes one in
/// run().
class InterruptGuard {
 public:
  InterruptGuard();
  ~InterruptGuard();
  InterruptGuard(const InterruptGuard&) = delete;
  InterruptGuard& operator=(const InterruptGuard&) = delete;
};

/// A file that must not stay behind when a signal ends the program at once, be it the second under an
/// InterruptGuard or the first without one. Whoever makes the file removes or renames it otherwise.
class TemporaryName {
 public:
  explicit TemporaryName(std::string path);
  ~TemporaryName();
  TemporaryName(const TemporaryName&) = delete;
  TemporaryName& operator=(const TemporaryName&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  std::atomic<const char*>* slot_ = nullptr;  ///< what the handler looks at; null when all are taken
};

/// Whether the person (or the system) asked to stop. Loops poll it between steps; cheap.
bool interrupt_requested();
/// @throws Error{kInterrupted} with `message` if asked to stop: for loops that have nothing to save.
void stop_if_interrupted(const std::string& message = "interrupted");

}  // namespace attune::core
