// Gemma 2 (Gemma Team 2024): norms before and after attention and MLP, soft caps, windows in every other layer.
#include "model/config_reader.h"
#include "model/family.h"
#include "model/family_gemma.h"
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
    read_gemma2(config, {256000, 2304, 9216, 26, 8, 4, 8192, 256}, out);
    out.ropes = {read_rope(config, out.head_dim, out.max_positions)};
    out.attention_softcap = cap(config, "attn_logit_softcapping", 50);
    out.logit_softcap = cap(config, "final_logit_softcapping", 30);
    read_windows(config, gemma_window(config), [](std::int64_t layer) { return layer % 2 == 0; }, out);
    out.raw = json;
    return out;
  }

  TensorNames names(const ModelConfig&) const override { return gemma2_names(); }

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
