// Qwen3 (Yang et al. 2025): Llama with a norm on each head's query and key and no biases.
#include "model/config_reader.h"
#include "model/family.h"
#include "model/family_reader.h"
#include "model/rope_config.h"

namespace attune::model {
namespace {

class Qwen3 final : public Family {
 public:
  FamilyInfo info() const override {
    return {.name = "qwen3",
            .model_types = {"qwen3"},
            .summary = "Llama's layers with RMSNorm on the queries and keys of each head.",
            .paper = "arXiv:2505.09388",
            .body_prefix = "model.",
            .default_lora_targets = {"q_proj", "v_proj"},
            .class_names = {{"qwen3", "Qwen3"}},
            .buffers = {".rotary_emb.inv_freq"}};
  }

  ModelConfig configure(const core::Json& json, const std::string& where) const override {
    const ConfigReader config(json, where);
    ModelConfig out;
    out.family = "qwen3";
    read_sizes(config, {151936, 4096, 22016, 32, 32, 32, 32768, 128}, out);
    out.norm_eps = config.positive("rms_norm_eps", 1e-6);
    out.activation = read_activation(config, "hidden_act", "silu");
    out.ropes = {read_rope(config, out.head_dim, out.max_positions)};
    out.qk_norm = true;
    out.qkv_bias = out.output_bias = config.boolean("attention_bias", false);
    out.tie_embeddings = config.boolean("tie_word_embeddings", false);
    read_layer_windows(config, out);
    read_token_ids(config, -1, -1, -1, out);
    out.raw = json;
    return out;
  }

  TensorNames names(const ModelConfig&) const override {
    TensorNames names = llama_names();
    names.q_norm = "layers.{}.self_attn.q_norm";
    names.k_norm = "layers.{}.self_attn.k_norm";
    return names;
  }

 private:
  /// The window holds in layers from max_window_layers on, and only where use_sliding_window is on.
  static void read_layer_windows(const ConfigReader& config, ModelConfig& out) {
    const bool on = config.boolean("use_sliding_window", false);
    const std::int64_t window = on ? config.integer("sliding_window", 4096, 1, 1 << 28) : 0;
    const std::int64_t first = config.integer("max_window_layers", 28, 0, 1 << 28);
    read_windows(config, window, [&](std::int64_t layer) { return layer >= first; }, out);
  }
};

}  // namespace

const Family* family_qwen3() {
  static const Qwen3 family;
  return &family;
}

}  // namespace attune::model
