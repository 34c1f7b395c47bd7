// Phi 1, 1.5 and 2 (Li et al. 2023): attention and a plain MLP read one LayerNorm side by side, a part of each head rotates.
#include "model/config_reader.h"
#include "model/family.h"
#include "model/family_reader.h"
#include "model/rope_config.h"

namespace attune::model {
namespace {

class Phi final : public Family {
 public:
  FamilyInfo info() const override {
    return {.name = "phi",
            .model_types = {"phi"},
            .summary = "LayerNorm decoder whose attention and MLP stand side by side; biases everywhere.",
            .paper = "arXiv:2309.05463",
            .body_prefix = "model.",
            .default_lora_targets = {"q_proj", "v_proj", "fc1", "fc2"},
            .class_names = {{"phi", "Phi"}},
            .buffers = {".rotary_emb.inv_freq"}};
  }

  ModelConfig configure(const core::Json& json, const std::string& where) const override {
    const ConfigReader config(json, where);
    ModelConfig out;
    out.family = "phi";
    refuse_switch(config, "qk_layernorm");
    read_sizes(config, {51200, 2048, 8192, 24, 32, 0, 2048}, out);
    out.norm = NormKind::kLayer;
    out.norm_eps = config.positive("layer_norm_eps", 1e-5);
    out.activation = read_activation(config, "hidden_act", "gelu_new");
    out.mlps.assign(static_cast<std::size_t>(out.layers), MlpKind::kPlain);
    out.parallel_block = true;
    out.ropes = {read_rope(config, out.head_dim, out.max_positions, 10000, "full_attention", 0.5)};
    out.qkv_bias = out.output_bias = out.mlp_bias = out.head_bias = true;
    out.tie_embeddings = config.boolean("tie_word_embeddings", false);
    out.windows.assign(static_cast<std::size_t>(out.layers), 0);
    read_token_ids(config, 1, 2, -1, out);
    out.raw = json;
    return out;
  }

  TensorNames names(const ModelConfig&) const override {
    TensorNames names = llama_names();
    names.final_norm = "final_layernorm";
    names.post_norm = "";
    names.output = "layers.{}.self_attn.dense";
    names.up = {"layers.{}.mlp.fc1"};
    names.down = "layers.{}.mlp.fc2";
    return names;
  }
};

}  // namespace

const Family* family_phi() {
  static const Phi family;
  return &family;
}

}  // namespace attune::model
