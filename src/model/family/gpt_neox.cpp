// GPT-NeoX (Black et al. 2022), Pythia: attention and MLP side by side, each with a LayerNorm; q, k and v by head in one layer.
#include "model/config_reader.h"
#include "model/family.h"
#include "model/family_reader.h"
#include "model/rope_config.h"

namespace attune::model {
namespace {

class GptNeox final : public Family {
 public:
  FamilyInfo info() const override {
    return {
        .name = "gpt_neox",
        .model_types = {"gpt_neox"},
        .summary =
            "LayerNorm decoder with attention and MLP side by side and a partial rotation: GPT-NeoX, Pythia.",
        .paper = "arXiv:2204.06745",
        .body_prefix = "gpt_neox.",
        .default_lora_targets = {"query_key_value"},
        .class_names = {{"gpt_neox", "GPTNeoX"}},
        .token_head = "classifier",
        .buffers = {".attention.bias", ".attention.masked_bias", ".rotary_emb.inv_freq"}};
  }

  ModelConfig configure(const core::Json& json, const std::string& where) const override {
    core::Json read = json;  // without what its class does not read
    for (const char* key : {"rope_theta", "partial_rotary_factor", "head_dim", "num_key_value_heads"})
      read.erase(key);
    const ConfigReader config(read, where);
    ModelConfig out;
    out.family = "gpt_neox";
    read_sizes(config, {50432, 6144, 24576, 44, 64, 0, 2048}, out);
    out.norm = NormKind::kLayer;
    out.norm_eps = config.positive("layer_norm_eps", 1e-5);
    out.activation = read_activation(config, "hidden_act", "gelu");
    out.mlps.assign(static_cast<std::size_t>(out.layers), MlpKind::kPlain);
    out.parallel_block = config.boolean("use_parallel_residual", true);
    out.fused_qkv = out.qkv_per_head = true;
    // names of the first releases for the base and for the part of a head that rotates
    const double theta = config.positive("rotary_emb_base", 10000),
                 part = config.positive("rotary_pct", 0.25);
    out.ropes = {read_rope(config, out.head_dim, out.max_positions, theta, "full_attention", part)};
    out.qkv_bias = out.output_bias = config.boolean("attention_bias", true);
    out.mlp_bias = true;
    out.tie_embeddings = config.boolean("tie_word_embeddings", false);
    out.windows.assign(static_cast<std::size_t>(out.layers), 0);
    read_token_ids(config, 0, 2, -1, out);
    out.raw = json;
    return out;
  }

  TensorNames names(const ModelConfig&) const override {
    return {.embedding = "embed_in",
            .positions = "",
            .final_norm = "final_layer_norm",
            .head = "embed_out",
            .input_norm = "layers.{}.input_layernorm",
            .post_norm = "layers.{}.post_attention_layernorm",
            .qkv = {"layers.{}.attention.query_key_value"},
            .output = "layers.{}.attention.dense",
            .up = {"layers.{}.mlp.dense_h_to_4h"},
            .down = "layers.{}.mlp.dense_4h_to_h",
            .q_norm = "",
            .k_norm = ""};
  }
};

}  // namespace

const Family* family_gpt_neox() {
  static const GptNeox family;
  return &family;
}

}  // namespace attune::model
