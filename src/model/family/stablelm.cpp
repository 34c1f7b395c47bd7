// StableLM 2 and 3B (Bellagente et al. 2024): LayerNorm, a gated MLP, and a quarter of each head rotates.
#include "model/config_reader.h"
#include "model/family.h"
#include "model/family_reader.h"
#include "model/rope_config.h"

namespace attune::model {
namespace {

class StableLm final : public Family {
 public:
  FamilyInfo info() const override {
    return {.name = "stablelm",
            .model_types = {"stablelm"},
            .summary = "Llama's layers with LayerNorm and a partial rotation.",
            .paper = "arXiv:2402.17834",
            .body_prefix = "model.",
            .default_lora_targets = {"q_proj", "v_proj"},
            .class_names = {{"stablelm", "StableLm"}},
            .buffers = {".rotary_emb.inv_freq"}};
  }

  ModelConfig configure(const core::Json& json, const std::string& where) const override {
    const ConfigReader config(json, where);
    ModelConfig out;
    out.family = "stablelm";
    refuse_switch(config, "qk_layernorm");
    read_sizes(config, {50304, 2560, 6912, 32, 32, 0, 4096}, out);
    out.norm = NormKind::kLayer;
    out.norm_eps = config.positive("layer_norm_eps", 1e-5);
    out.activation = read_activation(config, "hidden_act", "silu");
    out.parallel_block = config.boolean("use_parallel_residual", false);
    out.ropes = {read_rope(config, out.head_dim, out.max_positions, 10000, "full_attention", 0.25)};
    out.qkv_bias = config.boolean("use_qkv_bias", false);
    out.tie_embeddings = config.boolean("tie_word_embeddings", false);
    out.windows.assign(static_cast<std::size_t>(out.layers), 0);
    read_token_ids(config, 0, 0, -1, out);
    out.raw = json;
    return out;
  }

  TensorNames names(const ModelConfig& config) const override {
    TensorNames names = llama_names();
    if (config.parallel_block) names.post_norm = "";
    return names;
  }
};

}  // namespace

const Family* family_stablelm() {
  static const StableLm family;
  return &family;
}

}  // namespace attune::model
