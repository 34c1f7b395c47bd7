#include "core/error.h"

namespace attune::core {

int Error::exit_code() const {
  switch (code_) {
    case ErrorCode::kRequest:
      return 2;
    case ErrorCode::kInterrupted:
      return 130;
    default:
      return 1;
  }
}

void assertion_failed(const char* expression, const char* file, int line) {
  throw Error(ErrorCode::kInternal, fmt::format("internal error: {} does not hold at {}:{}; please report it",
                                                expression, file, line));
}

}  // namespace attune::core
