// How many threads a step of decoding deserves.
#pragma once

#include <cstdint>

namespace attune::generation {

/// Lets libtorch use only as many threads as the work at hand deserves, until it goes. Depends on counts
/// alone, so runs repeat.
class ThreadLimit {
 public:
  ThreadLimit();
  ~ThreadLimit();
  ThreadLimit(const ThreadLimit&) = delete;
  ThreadLimit& operator=(const ThreadLimit&) = delete;
  void for_any_work();
  /// @param work multiply-adds
  void for_work(std::int64_t work);

 private:
  int all_;
};

}  // namespace attune::generation
