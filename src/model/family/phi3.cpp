// Phi-3 and Phi-4 (Abdin et al. 2024): Llama with one layer for queries, keys and values and one for gate and up.
#include "model/config_reader.h"
#include "model/family.h"
#include "model/family_reader.h"
#include "model/rope_config.h"

namespace attune::model {
namespace {

class Phi3 final : public Family {
 public:
  FamilyInfo info() const override {
    return {.name = "phi3",
            .model_types = {"phi3"},
            .summary = "Llama's layers with fused inputs of attention and MLP.",
            .paper = "arXiv:2404.14219",
            .body_prefix = "model.",
            .default_lora_targets = {"qkv_proj"},
            .class_names = {{"phi3", "Phi3"}},
            .buffers = {".rotary_emb.inv_freq"}};
  }

  ModelConfig configure(const core::Json& json, const std::string& where) const override {
    const core::Json read = with_long_rotation(json);
    const ConfigReader config(read, where);
    ModelConfig out;
    out.family = "phi3";
    read_sizes(config, {32064, 3072, 8192, 32, 32, 0, 4096}, out);
    out.norm_eps = config.positive("rms_norm_eps", 1e-5);
    out.activation = read_activation(config, "hidden_act", "silu");
    out.fused_qkv = out.fused_gate_up = true;
    out.ropes = {read_rope(config, out.head_dim, out.max_positions, 10000, "full_attention", 1)};
    if (const RopeKind kind = out.ropes[0].kind; kind != RopeKind::kDefault && kind != RopeKind::kLongrope)
      config.fail(config.has("rope_scaling") ? "rope_scaling" : "rope_parameters", "of type longrope");
    out.tie_embeddings = config.boolean("tie_word_embeddings", false);
    const std::int64_t window = config.integer("sliding_window", 0, 1, 1 << 28);
    out.windows.assign(static_cast<std::size_t>(out.layers), window);
    read_token_ids(config, 1, 32000, 32000, out);
    out.raw = json;
    return out;
  }

  TensorNames names(const ModelConfig&) const override {
    TensorNames names = llama_names();
    names.qkv = {"layers.{}.self_attn.qkv_proj"};
    names.up = {"layers.{}.mlp.gate_up_proj"};
    return names;
  }

 private:
  /// Its class has an original length of its own, which goes before that of the rotation; "yarn" is an older name of
  /// longrope there.
  static core::Json with_long_rotation(core::Json json) {
    if (!json.contains("original_max_position_embeddings")) json["original_max_position_embeddings"] = 4096;
    for (const char* key : {"rope_scaling", "rope_parameters"})
      for (const char* type : {"type", "rope_type"})
        if (const auto rope = json.find(key);
            rope != json.end() && rope->is_object() && rope->contains(type) && rope->at(type) == "yarn")
          (*rope)[type] = "longrope";
    return json;
  }
};

}  // namespace

const Family* family_phi3() {
  static const Phi3 family;
  return &family;
}

}  // namespace attune::model
