#include "core/interrupt.h"

#include <unistd.h>

#include <atomic>
#include <csignal>

#include "core/error.h"

namespace attune::core {
namespace {

// A signal handler can reach nothing but globals. They change in the handler and in guards only.
std::atomic<int> signals_seen{0};
std::atomic<int> guards{0};
struct sigaction previous_int, previous_term;

static_assert(std::atomic<int>::is_always_lock_free, "the handler may not take a lock");

extern "C" void on_signal(int) {
  if (signals_seen.fetch_add(1) > 0) {
    const char message[] = "\nattune: stopped at once\n";
    [[maybe_unused]] const auto ignored = ::write(STDERR_FILENO, message, sizeof message - 1);
    ::_exit(130);
  }
  const char message[] = "\nattune: stopping after this step; press Ctrl-C again to stop at once\n";
  [[maybe_unused]] const auto ignored = ::write(STDERR_FILENO, message, sizeof message - 1);
}

}  // namespace

InterruptGuard::InterruptGuard() {
  if (guards.fetch_add(1) > 0) return;
  signals_seen = 0;
  struct sigaction action{};
  action.sa_handler = on_signal;
  sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART;
  ::sigaction(SIGINT, &action, &previous_int);
  ::sigaction(SIGTERM, &action, &previous_term);
}

InterruptGuard::~InterruptGuard() {
  if (guards.fetch_sub(1) > 1) return;
  ::sigaction(SIGINT, &previous_int, nullptr);
  ::sigaction(SIGTERM, &previous_term, nullptr);
}

bool interrupt_requested() { return signals_seen.load(std::memory_order_relaxed) > 0; }

void stop_if_interrupted(const char* message) {
  if (interrupt_requested()) throw Error(ErrorCode::kInterrupted, message);
}

}  // namespace attune::core
