// StarCoder2 (Lozhkov et al. 2024): LayerNorm, rotary positions, grouped keys and a plain MLP with biases.
#include "model/config_reader.h"
#include "model/family.h"
#include "model/family_reader.h"
#include "model/rope_config.h"

namespace attune::model {
namespace {

class Starcoder2 final : public Family {
 public:
  FamilyInfo info() const override {
    return {.name = "starcoder2",
            .model_types = {"starcoder2"},
            .summary = "LayerNorm decoder with rotary positions and a plain GELU MLP.",
            .paper = "arXiv:2402.19173",
            .body_prefix = "model.",
            .default_lora_targets = {"q_proj", "v_proj"},
            .class_names = {{"starcoder2", "Starcoder2"}},
            .buffers = {".rotary_emb.inv_freq"}};
  }

  ModelConfig configure(const core::Json& json, const std::string& where) const override {
    const ConfigReader config(json, where);
    ModelConfig out;
    out.family = "starcoder2";
    read_sizes(config, {49152, 3072, 12288, 30, 24, 2, 4096}, out);
    out.norm = NormKind::kLayer;
    out.norm_eps = config.positive("norm_epsilon", 1e-5);
    out.activation = read_activation(config, "hidden_act", "gelu_pytorch_tanh");
    out.mlps.assign(static_cast<std::size_t>(out.layers), MlpKind::kPlain);
    out.ropes = {read_rope(config, out.head_dim, out.max_positions)};
    out.qkv_bias = out.output_bias = out.mlp_bias = config.boolean("use_bias", true);
    out.tie_embeddings = config.boolean("tie_word_embeddings", true);
    const std::int64_t window = config.integer("sliding_window", 0, 1, 1 << 28);
    out.windows.assign(static_cast<std::size_t>(out.layers), window);
    read_token_ids(config, 50256, 50256, -1, out);
    out.raw = json;
    return out;
  }

  TensorNames names(const ModelConfig&) const override {
    TensorNames names = llama_names();
    names.up = {"layers.{}.mlp.c_fc"};
    names.down = "layers.{}.mlp.c_proj";
    return names;
  }
};

}  // namespace

const Family* family_starcoder2() {
  static const Starcoder2 family;
  return &family;
}

}  // namespace attune::model
