// Rotary frequencies by kind, and the tables of a pass.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <vector>

#include "core/forest.h"
#include "model/config.h"

namespace attune::model {

/// Inverse frequencies [dims / 2], float32. @param table as ModelConfig::table_of gives it (for kDynamic the
/// length).
at::Tensor rope_frequencies(const RopeConfig& rope, std::int64_t max_positions, std::int32_t table);

/// cos and sin of each row's angles: [R, dims / 2], in float32 arithmetic as transformers does.
struct RopeTables {
  at::Tensor cos, sin;
};

/// Where rows stand.
struct RowPlaces {
  struct Run {
    std::int64_t begin, end;
    std::int32_t table;  ///< ModelConfig::table_of of their sequences
  };
  std::vector<std::int32_t> positions;  ///< [R]
  std::vector<Run> runs;                ///< of rows with equal tables, in order
  void add(std::int32_t position, std::int32_t table);
};
RowPlaces places_of(const core::Forest& forest);

/// The tables of each rotation of the model. @param like device and type of the result
std::vector<RopeTables> rope_tables(const ModelConfig& config, const RowPlaces& places,
                                    const at::Tensor& like);

/// Rotates the first 2 * P dimensions of each head, half against half (Su et al. 2021, arXiv:2104.09864).
/// @param x [R, H, d]. No gradient flows to the tables [R, P].
at::Tensor rotate(const at::Tensor& x, const RopeTables& tables);

}  // namespace attune::model
