#include "core/interrupt.h"

#include <unistd.h>

#include <csignal>
#include <mutex>

#include "core/error.h"

namespace attune::core {
namespace {

// A signal handler can reach nothing but globals. `signals_seen` changes in the handler and in guards only.
std::atomic<int> signals_seen{0};
std::atomic<int> guards{0};
std::atomic<const char*> temporaries[16];

std::mutex installing;
int watchers = 0;  // guards and temporaries: while there are any, the handlers are ours
struct sigaction previous_int, previous_term;

static_assert(std::atomic<int>::is_always_lock_free && std::atomic<const char*>::is_always_lock_free,
              "the handler may not take a lock");

template <std::size_t size>
void tell(const char (&message)[size]) {
  [[maybe_unused]] const auto ignored = ::write(STDERR_FILENO, message, size - 1);
}

extern "C" void on_signal(int) {
  if (guards.load() > 0 && signals_seen.fetch_add(1) == 0) {
    tell("\nattune: stopping as soon as it can be done cleanly; press Ctrl-C again to stop at once\n");
    return;
  }
  for (auto& slot : temporaries)
    if (const char* path = slot.load()) ::unlink(path);
  tell("\nattune: stopped at once\n");
  ::_exit(130);
}

void watch() {
  const std::lock_guard lock(installing);
  if (watchers++ > 0) return;
  struct sigaction action{};
  action.sa_handler = on_signal;
  sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART;
  ::sigaction(SIGINT, &action, &previous_int);
  ::sigaction(SIGTERM, &action, &previous_term);
}

void unwatch() {
  const std::lock_guard lock(installing);
  if (--watchers > 0) return;
  ::sigaction(SIGINT, &previous_int, nullptr);
  ::sigaction(SIGTERM, &previous_term, nullptr);
}

}  // namespace

InterruptGuard::InterruptGuard() {
  if (guards.fetch_add(1) == 0) signals_seen = 0;
  watch();
}

InterruptGuard::~InterruptGuard() {
  guards.fetch_sub(1);
  unwatch();
}

TemporaryName::TemporaryName(std::string path) : path_(std::move(path)) {
  for (auto& slot : temporaries) {
    const char* free = nullptr;
    if (!slot.compare_exchange_strong(free, path_.c_str())) continue;
    slot_ = &slot;
    break;
  }
  watch();
}

TemporaryName::~TemporaryName() {
  unwatch();
  if (slot_ != nullptr) slot_->store(nullptr);
}

bool interrupt_requested() { return signals_seen.load(std::memory_order_relaxed) > 0; }

void stop_if_interrupted(const std::string& message) {
  if (interrupt_requested()) throw Error(ErrorCode::kInterrupted, message);
}

}  // namespace attune::core
