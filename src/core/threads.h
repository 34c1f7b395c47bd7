// A small team of threads for loops over independent items. Not OpenMP: libtorch's pool must not see these
// threads.
#pragma once

#include <algorithm>
#include <cstdint>
#include <exception>
#include <thread>
#include <vector>

namespace attune::core {

/// The part [begin, end) of 0..count-1 that worker `index` of `workers` takes: contiguous, sizes differ by
/// one at most, the same for the same numbers.
struct Part {
  std::int64_t begin = 0, end = 0;
};
inline Part part_of(std::int64_t count, std::int64_t workers, std::int64_t index) {
  const std::int64_t base = count / workers, extra = count % workers;
  const std::int64_t begin = index * base + std::min(index, extra);
  return {begin, begin + base + (index < extra ? 1 : 0)};
}

/// Calls work(worker, begin, end) on `workers` threads (the caller's is one), each with its part of
/// 0..count-1. Which part goes to which worker depends on the numbers only, so per-worker results combined in
/// worker order repeat. The first worker's exception (in worker order) is thrown after all have ended.
/// @param workers at least 1; no more threads than items are started.
template <class Work>
void parallel_for(std::int64_t count, std::int64_t workers, const Work& work) {
  workers = std::max<std::int64_t>(1, std::min(workers, count));
  if (workers == 1) {
    if (count > 0) work(std::int64_t{0}, std::int64_t{0}, count);
    return;
  }
  std::vector<std::exception_ptr> errors(static_cast<std::size_t>(workers));
  const auto run = [&](std::int64_t index) {
    try {
      const Part part = part_of(count, workers, index);
      work(index, part.begin, part.end);
    } catch (...) {
      errors[static_cast<std::size_t>(index)] = std::current_exception();
    }
  };
  {
    std::vector<std::jthread> team;
    team.reserve(static_cast<std::size_t>(workers - 1));
    for (std::int64_t index = 1; index < workers; ++index) team.emplace_back(run, index);
    run(0);
  }
  for (const auto& error : errors) {
    if (error) std::rethrow_exception(error);
  }
}

}  // namespace attune::core
