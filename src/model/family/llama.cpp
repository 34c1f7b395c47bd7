// Llama (Touvron et al. 2023, arXiv:2302.13971) and what config.json makes of it: Mistral, Qwen2.
#include "model/config_reader.h"
#include "model/family.h"
#include "model/family_reader.h"
#include "model/rope_config.h"

namespace attune::model {
namespace {

SizeDefaults defaults_of(const std::string& type) {
  if (type == "mistral") return {32000, 4096, 14336, 32, 32, 8, 131072};
  if (type == "qwen2") return {151936, 4096, 22016, 32, 32, 32, 32768};
  return {32000, 4096, 11008, 32, 32, 0, 2048};
}

class Llama final : public Family {
 public:
  FamilyInfo info() const override {
    return {
        .name = "llama",
        .model_types = {"llama", "mistral", "qwen2"},
        .summary =
            "Pre-norm decoder with RMSNorm, rotary positions and a gated SiLU MLP: Llama, Mistral, Qwen2.",
        .paper = "arXiv:2302.13971",
        .body_prefix = "model.",
        .default_lora_targets = {"q_proj", "v_proj"},
        .class_names = {{"llama", "Llama"}, {"mistral", "Mistral"}, {"qwen2", "Qwen2"}},
        .buffers = {".rotary_emb.inv_freq"}};
  }

  ModelConfig configure(const core::Json& json, const std::string& where) const override {
    const ConfigReader config(json, where);
    const std::string type = config.text("model_type", "llama");
    ModelConfig out;
    out.family = "llama";
    read_sizes(config, defaults_of(type), out);
    out.norm_eps = config.positive("rms_norm_eps", 1e-6);
    out.activation = read_activation(config, "hidden_act", "silu");
    out.ropes = {read_rope(config, out.head_dim, out.max_positions)};
    out.tie_embeddings = config.boolean("tie_word_embeddings", false);
    if (type == "llama") {
      out.qkv_bias = out.output_bias = config.boolean("attention_bias", false);
      out.mlp_bias = config.boolean("mlp_bias", false);
    } else if (type == "qwen2") {
      out.qkv_bias = true;
    }
    read_layer_windows(config, type, out);
    if (type == "qwen2")
      read_token_ids(config, -1, -1, -1, out);
    else
      read_token_ids(config, 1, 2, -1, out);
    out.raw = json;
    return out;
  }

  TensorNames names(const ModelConfig&) const override { return llama_names(); }

 private:
  static void read_layer_windows(const ConfigReader& config, const std::string& type, ModelConfig& out) {
    // null switches the window off, a missing key means 4096
    const auto window =
        config.integer("sliding_window", config.is_null("sliding_window") ? 0 : 4096, 1, 1 << 28);
    out.windows.assign(static_cast<std::size_t>(out.layers), type == "mistral" ? window : 0);
    if (type != "qwen2" || !config.boolean("use_sliding_window", false)) return;
    const auto first = config.integer("max_window_layers", 28, 0, 1 << 28);
    read_windows(config, window, [&](std::int64_t layer) { return layer >= first; }, out);
  }
};

}  // namespace

const Family* family_llama() {
  static const Llama family;
  return &family;
}

}  // namespace attune::model
