#include "text/jinja/value/limits.h"

#include <fmt/format.h>

namespace attune::text::jinja {

void Budget::fail_steps() const {
  throw Failure(
      FailureKind::kLimit,
      fmt::format("the template runs too long (bound: {} steps); does a loop multiply?", limits_.steps));
}

void Budget::fail_allocation() const {
  throw Failure(FailureKind::kLimit, fmt::format("the template makes too many values (bound: {} MiB in all)",
                                                 limits_.allocation >> 20));
}

void Budget::fail_text() const {
  throw Failure(FailureKind::kLimit,
                fmt::format("the template writes too much text (bound: {} MiB)", limits_.output >> 20));
}

void Budget::fail_items() const {
  throw Failure(FailureKind::kLimit,
                fmt::format("the template makes too long a list (bound: {} items)", limits_.items));
}

void Budget::fail_nesting() const {
  throw Failure(FailureKind::kLimit,
                fmt::format("the template nests too deep (bound: {} levels of evaluation)", limits_.nesting));
}

void Budget::fail_calls() const {
  throw Failure(
      FailureKind::kLimit,
      fmt::format("macros or recursive loops call each other too deep (bound: {} levels)", limits_.calls));
}

}  // namespace attune::text::jinja
