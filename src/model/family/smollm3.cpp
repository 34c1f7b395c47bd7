// SmolLM3 (Bakouch et al. 2025): Llama without rotation in every fourth layer (Yang et al. 2025).
#include "model/config_reader.h"
#include "model/family.h"
#include "model/family_reader.h"
#include "model/rope_config.h"

namespace attune::model {
namespace {

class SmolLm3 final : public Family {
 public:
  FamilyInfo info() const override {
    return {.name = "smollm3",
            .model_types = {"smollm3"},
            .summary = "Llama's layers, every fourth without positions.",
            .paper = "arXiv:2501.18795",
            .body_prefix = "model.",
            .default_lora_targets = {"q_proj", "v_proj"},
            .class_names = {{"smollm3", "SmolLM3"}},
            .buffers = {".rotary_emb.inv_freq"}};
  }

  ModelConfig configure(const core::Json& json, const std::string& where) const override {
    const ConfigReader config(json, where);
    ModelConfig out;
    out.family = "smollm3";
    read_sizes(config, {128256, 2048, 11008, 36, 16, 4, 32768}, out);
    out.norm_eps = config.positive("rms_norm_eps", 1e-6);
    out.activation = read_activation(config, "hidden_act", "silu");
    out.qkv_bias = out.output_bias = config.boolean("attention_bias", false);
    out.mlp_bias = config.boolean("mlp_bias", false);
    out.ropes = {read_rope(config, out.head_dim, out.max_positions, 2e6)};
    out.tie_embeddings = config.boolean("tie_word_embeddings", true);
    read_rotating_layers(config, out);
    read_token_ids(config, 128000, 128001, 128004, out);
    out.raw = json;
    return out;
  }

  TensorNames names(const ModelConfig&) const override { return llama_names(); }

 private:
  /// no_rope_layers holds 1 for a layer that rotates and 0 for one that does not. Windows, where they are on,
  /// hold in those that do not; layer_types, where it is there, says where, whether they are on or not.
  static void read_rotating_layers(const ConfigReader& config, ModelConfig& out) {
    const std::int64_t interval = config.integer("no_rope_layer_interval", 4, 1, 10000);
    const auto listed = config.integers("no_rope_layers");
    if (!listed.empty() && listed.size() < static_cast<std::size_t>(out.layers))
      config.fail("no_rope_layers", "a list with an entry for each layer");
    for (std::int64_t i = 0; i < out.layers; ++i) {
      const bool rotates =
          listed.empty() ? (i + 1) % interval != 0 : listed[static_cast<std::size_t>(i)] != 0;
      out.rope_of.push_back(rotates ? 0 : -1);
    }
    const bool on = config.boolean("use_sliding_window", false);
    const std::int64_t window = config.integer("sliding_window", 0, 1, 1 << 28);
    const auto slides = [&](std::int64_t layer) {
      return on && out.rope_of[static_cast<std::size_t>(layer)] < 0;
    };
    read_windows(config, window, slides, out);
  }
};

}  // namespace

const Family* family_smollm3() {
  static const SmolLm3 family;
  return &family;
}

}  // namespace attune::model
