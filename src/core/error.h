// Errors: one exception type for what stops a run, one result type for what spoils a single item.
#pragma once

#include <fmt/format.h>

#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <variant>

namespace attune::core {

enum class ErrorCode {
  kRequest,      ///< the request was wrong (unknown key, missing file, malformed data): exit code 2
  kRun,          ///< the run cannot go on (NaN loss, disk full, a crashed reward program): exit code 1
  kInternal,     ///< a fault of ours; user input cannot reach it: exit code 1
  kInterrupted,  ///< Ctrl-C, after what can be saved has been saved: exit code 130
};

/// Thrown when the run cannot go on. The message says where, what (with the value) and what to do.
class Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  ErrorCode code() const { return code_; }
  /// 0 never; 1 run or internal, 2 request, 130 interrupted.
  int exit_code() const;

 private:
  ErrorCode code_;
};

/// `fail_request("{}: no such file", path)`: the request was wrong, exit code 2.
template <class... Args>
[[noreturn]] void fail_request(fmt::format_string<Args...> format, Args&&... args) {
  throw Error(ErrorCode::kRequest, fmt::format(format, std::forward<Args>(args)...));
}

/// `fail_run("{}: disk full", path)`: the run cannot go on, exit code 1.
template <class... Args>
[[noreturn]] void fail_run(fmt::format_string<Args...> format, Args&&... args) {
  throw Error(ErrorCode::kRun, fmt::format(format, std::forward<Args>(args)...));
}

[[noreturn]] void assertion_failed(const char* expression, const char* file, int line);

/// Checked in all builds; user input cannot reach it.
#define ATTUNE_ASSERT(expression) \
  ((expression) ? void(0) : ::attune::core::assertion_failed(#expression, __FILE__, __LINE__))

/// Why one item (a row, an answer, a request) was not usable. `reason` is a short phrase that repeats
/// between items, so that it can be counted; `detail` may hold the values of this one.
struct ItemError {
  std::string reason;
  std::string detail;
};

/// A value, or why this one item is bad. Bad items are counted and shown; they do not stop a run.
template <class T>
class Result {
 public:
  Result(T value) : content_(std::move(value)) {}          // NOLINT: implicit by design
  Result(ItemError error) : content_(std::move(error)) {}  // NOLINT
  bool ok() const { return std::holds_alternative<T>(content_); }
  explicit operator bool() const { return ok(); }
  T& value() {
    ATTUNE_ASSERT(ok());
    return std::get<T>(content_);
  }
  const T& value() const {
    ATTUNE_ASSERT(ok());
    return std::get<T>(content_);
  }
  const ItemError& error() const { return std::get<ItemError>(content_); }

 private:
  std::variant<T, ItemError> content_;
};

}  // namespace attune::core
