// What a model and its training take, counted from the configuration alone: no tensor is made.
#pragma once

#include <cstdint>
#include <set>
#include <string>

#include "model/adapter.h"
#include "model/config.h"

namespace attune::model {

struct Footprint {
  std::int64_t weights = 0;  ///< numbers of the model
  std::int64_t adapter = 0;  ///< numbers that an adapter adds, modules that it trains in full included
  std::int64_t trained = 0;  ///< numbers that get gradients
  std::int64_t embedding =
      0;                   ///< numbers of the embedding where it is trained: its gradient is made apart first
  std::int64_t taped = 0;  ///< numbers that a token leaves for the backward pass
  std::int64_t passing = 0;  ///< numbers of a token that one layer makes and drops
};

/// @param heads named heads that are trained along. With a `score` head the output head is not trained.
Footprint footprint(const ModelConfig& config, const AdapterOptions& adapter,
                    const std::set<std::string>& heads);

}  // namespace attune::model
