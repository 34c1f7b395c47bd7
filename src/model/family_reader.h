// What family files read in the same way: sizes, activations, windows, token ids under the names that most of
// transformers' configuration classes share.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/json.h"
#include "model/config.h"
#include "model/config_reader.h"
#include "model/family.h"

namespace attune::model {

/// Class defaults of one of transformers' configuration classes: they matter when a key is missing.
struct SizeDefaults {
  std::int64_t vocab, hidden, intermediate, layers, heads;
  std::int64_t kv_heads = 0;  ///< 0: as many as heads
  std::int64_t positions = 2048;
  std::int64_t head_dim = 0;  ///< 0: hidden / heads
};

/// vocab_size, hidden_size, intermediate_size, num_hidden_layers, num_attention_heads, num_key_value_heads,
/// head_dim and max_position_embeddings. @throws Error{kRequest} for sizes that contradict each other.
void read_sizes(const ConfigReader& config, const SizeDefaults& defaults, ModelConfig& out);
/// The activation under `key`. @throws Error{kRequest} listing what is known.
Activation read_activation(const ConfigReader& config, std::string_view key, std::string_view missing);
/// bos_token_id, pad_token_id, eos_token_id; -1: the class has none.
void read_token_ids(const ConfigReader& config, std::int64_t bos, std::int64_t eos, std::int64_t pad,
                    ModelConfig& out);
/// Fills windows: `window` where layer_types says "sliding_attention", 0 elsewhere. Without layer_types,
/// `slides(layer)` says it. @throws Error{kRequest} when the list has another length or an unknown word.
template <class Slides>
void read_windows(const ConfigReader& config, std::int64_t window, Slides slides, ModelConfig& out);
/// layer_types, checked; empty when it is missing.
std::vector<std::string> read_layer_types(const ConfigReader& config, std::int64_t layers);

/// Names of modules as Llama's, which most families share.
TensorNames llama_names();
/// Fails for a switch that is on and not implemented. @param key of config.json.
void refuse_switch(const ConfigReader& config, std::string_view key);

template <class Slides>
void read_windows(const ConfigReader& config, std::int64_t window, Slides slides, ModelConfig& out) {
  const auto types = read_layer_types(config, out.layers);
  out.windows.assign(static_cast<std::size_t>(out.layers), 0);
  if (window == 0 && std::ranges::find(types, "sliding_attention") != types.end())
    config.fail("sliding_window", "a length, and in force: layer_types says that some layers slide");
  for (std::size_t i = 0; i < out.windows.size(); ++i)
    if (types.empty() ? slides(static_cast<std::int64_t>(i)) : types[i] == "sliding_attention")
      out.windows[i] = window;
}

}  // namespace attune::model
