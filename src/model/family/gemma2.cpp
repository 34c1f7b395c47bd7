// Gemma 2 (Gemma Team 2024): norms before and after attention and MLP, soft caps, windows in every other layer.
#include <cmath>

#include "model/config_reader.h"
#include "model/family.h"
#include "model/family_reader.h"
#include "model/rope_config.h"

namespace attune::model {
namespace {

class Gemma2 final : public Family {
 public:
  FamilyInfo info() const override {
    return {.name = "gemma2",
            .model_types = {"gemma2"},
            .summary = "Gemma with norms on both sides, soft caps and windows in every other layer.",
            .paper = "arXiv:2408.00118",
            .body_prefix = "model.",
            .default_lora_targets = {"q_proj", "v_proj"},
            .class_names = {{"gemma2", "Gemma2"}},
            .buffers = {".rotary_emb.inv_freq"}};
  }

  ModelConfig configure(const core::Json& json, const std::string& where) const override {
    const ConfigReader config(json, where);
    ModelConfig out;
    out.family = "gemma2";
    refuse_switch(config, "use_bidirectional_attention");
    read_sizes(config, {256000, 2304, 9216, 26, 8, 4, 8192, 256}, out);
    out.norm_eps = config.positive("rms_norm_eps", 1e-6);
    out.norm_plus_one = true;
    out.embedding_scale = std::sqrt(static_cast<double>(out.hidden_size));
    out.post_norms = true;
    out.activation = read_activation(config, "hidden_activation", "gelu_pytorch_tanh");
    out.ropes = {read_rope(config, out.head_dim, out.max_positions)};
    out.qkv_bias = out.output_bias = config.boolean("attention_bias", false);
    out.attention_scale = 1 / std::sqrt(config.positive("query_pre_attn_scalar", 256));
    out.attention_softcap = cap(config, "attn_logit_softcapping", 50);
    out.logit_softcap = cap(config, "final_logit_softcapping", 30);
    out.tie_embeddings = config.boolean("tie_word_embeddings", true);
    const std::int64_t missing = config.is_null("sliding_window") ? 0 : 4096;
    const std::int64_t window = config.integer("sliding_window", missing, 1, 1 << 28);
    if (window == 0) config.fail("sliding_window", "a length");
    read_windows(config, window, [](std::int64_t layer) { return layer % 2 == 0; }, out);
    read_token_ids(config, 2, 1, 0, out);
    out.raw = json;
    return out;
  }

  TensorNames names(const ModelConfig&) const override {
    TensorNames names = llama_names();
    names.attention_output_norm = "layers.{}.post_attention_layernorm";
    names.post_norm = "layers.{}.pre_feedforward_layernorm";
    names.mlp_output_norm = "layers.{}.post_feedforward_layernorm";
    return names;
  }

 private:
  /// null switches a cap off, a missing key means the class default.
  static double cap(const ConfigReader& config, const char* key, double missing) {
    return config.is_null(key) ? 0 : config.positive(key, missing);
  }
};

}  // namespace

const Family* family_gemma2() {
  static const Gemma2 family;
  return &family;
}

}  // namespace attune::model
