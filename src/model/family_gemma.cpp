#include "model/family_gemma.h"

#include <cmath>

namespace attune::model {

void read_gemma(const ConfigReader& config, const SizeDefaults& defaults, ModelConfig& out) {
  refuse_switch(config, "use_bidirectional_attention");
  read_sizes(config, defaults, out);
  out.norm_eps = config.positive("rms_norm_eps", 1e-6);
  out.norm_plus_one = true;
  out.embedding_scale = std::sqrt(static_cast<double>(out.hidden_size));
  out.qkv_bias = out.output_bias = config.boolean("attention_bias", false);
  out.tie_embeddings = config.boolean("tie_word_embeddings", true);
  read_token_ids(config, 2, 1, 0, out);
}

void read_gemma2(const ConfigReader& config, const SizeDefaults& defaults, ModelConfig& out) {
  read_gemma(config, defaults, out);
  out.post_norms = true;
  out.activation = read_activation(config, "hidden_activation", "gelu_pytorch_tanh");
  out.attention_scale = 1 / std::sqrt(config.positive("query_pre_attn_scalar", 256));
}

std::int64_t gemma_window(const ConfigReader& config) {
  if (config.is_null("sliding_window")) config.fail("sliding_window", "a length");
  return config.integer("sliding_window", 4096, 1, 1 << 28);
}

TensorNames gemma2_names() {
  TensorNames names = llama_names();
  names.attention_output_norm = "layers.{}.post_attention_layernorm";
  names.post_norm = "layers.{}.pre_feedforward_layernorm";
  names.mlp_output_norm = "layers.{}.post_feedforward_layernorm";
  return names;
}

}  // namespace attune::model
