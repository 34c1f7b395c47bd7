// The rotary settings of config.json: both spellings (rope_theta + rope_scaling, rope_parameters), all kinds.
#pragma once

#include "model/config.h"
#include "model/config_reader.h"

namespace attune::model {

/// Reads the rotary settings (transformers' modeling_rope_utils).
/// @param head_dim dimensions of a head. @param default_theta class default. @param layer_type entry of a
/// nested rope_parameters ("full_attention", "sliding_attention"); ignored when the settings are flat.
/// @param default_partial part of a head that rotates where no partial_rotary_factor is given; 0: classes whose
/// plain rotation turns whole heads, whatever that key says.
/// @throws Error{kRequest} naming the key: unknown kind, missing factor, lists of the wrong length.
RopeConfig read_rope(const ConfigReader& config, std::int64_t head_dim, std::int64_t max_positions,
                     double default_theta = 10000, const std::string& layer_type = "full_attention",
                     double default_partial = 0);

}  // namespace attune::model
