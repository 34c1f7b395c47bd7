// Ctrl-C: the first asks loops to save and stop, the second ends the program at once with exit code 130.
#pragma once

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

/// Whether the person (or the system) asked to stop. Loops poll it between steps; cheap.
bool interrupt_requested();
/// @throws Error{kInterrupted} with `message` if asked to stop: for loops that have nothing to save.
void stop_if_interrupted(const char* message = "interrupted");

}  // namespace attune::core
