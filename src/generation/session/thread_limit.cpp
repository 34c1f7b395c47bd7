#include "generation/session/thread_limit.h"

#include <ATen/Parallel.h>

#include <algorithm>

namespace attune::generation {
namespace {

/// Multiply-adds for which another thread pays: waking one costs some tens of microseconds, and far more on a
/// busy machine.
constexpr std::int64_t kWorkPerThread = std::int64_t{1} << 22;

void set_threads(int threads) {
  if (threads != at::get_num_threads()) at::set_num_threads(threads);
}

}  // namespace

ThreadLimit::ThreadLimit() : all_(at::get_num_threads()) {}

ThreadLimit::~ThreadLimit() { set_threads(all_); }

void ThreadLimit::for_any_work() { set_threads(all_); }

void ThreadLimit::for_work(std::int64_t work) {
  set_threads(static_cast<int>(std::clamp<std::int64_t>(work / kWorkPerThread, 1, all_)));
}

}  // namespace attune::generation
