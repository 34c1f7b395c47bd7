// What the Gemma families read in the same way.
#pragma once

#include <cstdint>

#include "model/config_reader.h"
#include "model/family.h"
#include "model/family_reader.h"

namespace attune::model {

/// Sizes, norms around one, embeddings times the root of their width, a tied head, ids of tokens.
void read_gemma(const ConfigReader& config, const SizeDefaults& defaults, ModelConfig& out);
/// The same with what came with Gemma 2: norms on both sides, scores scaled by a size of their own.
void read_gemma2(const ConfigReader& config, const SizeDefaults& defaults, ModelConfig& out);
/// The window of layers that have one.
std::int64_t gemma_window(const ConfigReader& config);
/// Llama's names with those of the norms on both sides.
TensorNames gemma2_names();

}  // namespace attune::model
