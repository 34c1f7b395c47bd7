// Gemma (Gemma Team 2024): norms that store w for a factor of 1 + w, embeddings times sqrt(hidden_size), a tied head.
#include "model/config_reader.h"
#include "model/family.h"
#include "model/family_gemma.h"
#include "model/family_reader.h"
#include "model/rope_config.h"

namespace attune::model {
namespace {

class Gemma final : public Family {
 public:
  FamilyInfo info() const override {
    return {.name = "gemma",
            .model_types = {"gemma"},
            .summary = "Llama's layers with a GELU gate, norms around one and scaled embeddings.",
            .paper = "arXiv:2403.08295",
            .body_prefix = "model.",
            .default_lora_targets = {"q_proj", "v_proj"},
            .class_names = {{"gemma", "Gemma"}},
            .buffers = {".rotary_emb.inv_freq"}};
  }

  ModelConfig configure(const core::Json& json, const std::string& where) const override {
    const ConfigReader config(json, where);
    ModelConfig out;
    out.family = "gemma";
    read_gemma(config, {256000, 3072, 24576, 28, 16, 16, 8192, 256}, out);
    // Files of the first release say "gelu" and mean its approximation by tanh.
    const bool first = config.text("hidden_act", "") == "gelu";
    out.activation =
        first ? Activation::kGeluTanh : read_activation(config, "hidden_act", "gelu_pytorch_tanh");
    out.ropes = {read_rope(config, out.head_dim, out.max_positions)};
    out.windows.assign(static_cast<std::size_t>(out.layers), 0);
    out.raw = json;
    return out;
  }

  TensorNames names(const ModelConfig&) const override { return llama_names(); }
};

}  // namespace

const Family* family_gemma() {
  static const Gemma family;
  return &family;
}

}  // namespace attune::model
