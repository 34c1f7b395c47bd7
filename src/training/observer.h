// What the outside wants to see while a run goes on. Everything is optional.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "core/json.h"

namespace attune::training {

struct Observer {
  std::function<void(const std::string& line)> on_message;  ///< "12,000 pairs, 3 dropped …", for people
  std::function<void(const core::Json& row)> on_row;        ///< every line of metrics.jsonl
  /// Before the first update of this part of the run, of which `done` lie behind it.
  std::function<void(std::int64_t done, std::int64_t total)> on_begin;
  /// @param tokens that have been learned from since on_begin
  std::function<void(std::int64_t update, const std::string& text, std::int64_t tokens)> on_update;
  std::function<bool()> interrupted;                    ///< polled between updates
  std::function<void(std::int64_t update)> on_samples;  ///< before the first update, and of the result
  /// The result is published and all is written; what this writes belongs to the run, which is finished after
  /// it.
  std::function<void(const std::string& folder)> on_result;
};

}  // namespace attune::training
