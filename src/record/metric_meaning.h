// What a logged number means, in words.
#pragma once

#include <string>

namespace attune::record {

/// Which way a metric should move in a healthy run. kNeither: a reading of the run, good in neither direction
/// by itself.
enum class Better { kHigher, kLower, kNeither };

/// What a method says of a metric that it alone logs. Those that methods share are in report/metric_names.cpp.
struct MetricMeaning {
  std::string name;     ///< as it is logged: "kl/margin"
  std::string title;    ///< a few plain words: "Difference of the divergences"
  std::string meaning;  ///< a sentence or two, for somebody who does not know the method
  std::string unit{};   ///< "nats", "tokens", "fraction" …; "" for a bare number
  Better better = Better::kNeither;
};

}  // namespace attune::record
