// Gemma 3, text (Gemma Team 2025): Gemma 2 with norms on queries and keys in place of soft caps, and a rotation of its own for windows.
#include <cmath>

#include "model/config_reader.h"
#include "model/family.h"
#include "model/family_reader.h"
#include "model/rope_config.h"

namespace attune::model {
namespace {

class Gemma3 final : public Family {
 public:
  FamilyInfo info() const override {
    return {
        .name = "gemma3",
        .model_types = {"gemma3_text"},
        .summary =
            "Gemma 2 with normed queries and keys, windows in five of six layers and a rotation for each kind.",
        .paper = "arXiv:2503.19786",
        .body_prefix = "model.",
        .default_lora_targets = {"q_proj", "v_proj"},
        .class_names = {{"gemma3_text", "Gemma3"}},
        .buffers = {".rotary_emb.inv_freq"}};
  }

  ModelConfig configure(const core::Json& json, const std::string& where) const override {
    const ConfigReader config(json, where);
    ModelConfig out;
    out.family = "gemma3";
    refuse_switch(config, "use_bidirectional_attention");
    read_sizes(config, {262208, 2304, 9216, 26, 8, 4, 131072, 256}, out);
    out.norm_eps = config.positive("rms_norm_eps", 1e-6);
    out.norm_plus_one = true;
    out.embedding_scale = std::sqrt(static_cast<double>(out.hidden_size));
    out.post_norms = out.qk_norm = true;
    out.activation = read_activation(config, "hidden_activation", "gelu_pytorch_tanh");
    out.qkv_bias = out.output_bias = config.boolean("attention_bias", false);
    out.attention_scale = 1 / std::sqrt(config.positive("query_pre_attn_scalar", 256));
    out.attention_softcap =
        config.has("attn_logit_softcapping") ? config.positive("attn_logit_softcapping", 1) : 0;
    out.logit_softcap =
        config.has("final_logit_softcapping") ? config.positive("final_logit_softcapping", 1) : 0;
    out.tie_embeddings = config.boolean("tie_word_embeddings", true);
    const std::int64_t window = config.integer("sliding_window", 4096, 1, 1 << 28);
    const std::int64_t pattern = config.integer("sliding_window_pattern", 6, 1, 10000);
    read_windows(config, window, [&](std::int64_t layer) { return (layer + 1) % pattern != 0; }, out);
    read_rotations(config, out);
    read_token_ids(config, 2, 1, 0, out);
    out.raw = json;
    return out;
  }

  TensorNames names(const ModelConfig&) const override {
    TensorNames names = llama_names();
    names.attention_output_norm = "layers.{}.post_attention_layernorm";
    names.post_norm = "layers.{}.pre_feedforward_layernorm";
    names.mlp_output_norm = "layers.{}.post_feedforward_layernorm";
    names.q_norm = "layers.{}.self_attn.q_norm";
    names.k_norm = "layers.{}.self_attn.k_norm";
    return names;
  }

 private:
  /// Older files scale full attention by rope_scaling and turn windows by rope_local_base_freq alone.
  static void read_rotations(const ConfigReader& config, ModelConfig& out) {
    const ConfigReader nested = config.object("rope_parameters");
    RopeConfig local;
    local.theta = config.positive("rope_local_base_freq", 10000);
    local.dims = out.head_dim;
    local.original_max_positions = out.max_positions;
    if (nested.has("sliding_attention"))
      local = read_rope(config, out.head_dim, out.max_positions, local.theta, "sliding_attention");
    out.ropes = {read_rope(config, out.head_dim, out.max_positions, 1e6, "full_attention"), local};
    for (const std::int64_t window : out.windows) out.rope_of.push_back(window > 0 ? 1 : 0);
  }
};

}  // namespace

const Family* family_gemma3() {
  static const Gemma3 family;
  return &family;
}

}  // namespace attune::model
