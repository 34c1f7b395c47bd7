// Gemma 3, text (Gemma Team 2025): Gemma 2 with norms on queries and keys in place of soft caps, and a rotation of its own for windows.
#include "model/config_reader.h"
#include "model/family.h"
#include "model/family_gemma.h"
#include "model/family_reader.h"
#include "model/rope_config.h"

namespace attune::model {
namespace {

class Gemma3 final : public Family {
 public:
  FamilyInfo info() const override {
    return {
        .name = "gemma3",
        .model_types = {"gemma3_text"},
        .summary =
            "Gemma 2 with normed queries and keys, windows in five of six layers and a rotation for each kind.",
        .paper = "arXiv:2503.19786",
        .body_prefix = "model.",
        .default_lora_targets = {"q_proj", "v_proj"},
        .class_names = {{"gemma3_text", "Gemma3"}},
        .buffers = {".rotary_emb.inv_freq"}};
  }

  ModelConfig configure(const core::Json& json, const std::string& where) const override {
    const ConfigReader config(json, where);
    ModelConfig out;
    out.family = "gemma3";
    read_gemma2(config, {262208, 2304, 9216, 26, 8, 4, 131072, 256}, out);
    out.qk_norm = true;
    out.logit_softcap =
        config.has("final_logit_softcapping") ? config.positive("final_logit_softcapping", 1) : 0;
    const std::int64_t pattern = config.integer("sliding_window_pattern", 6, 1, 10000);
    read_windows(
        config, gemma_window(config), [&](std::int64_t layer) { return (layer + 1) % pattern != 0; }, out);
    read_rotations(config, out);
    out.raw = json;
    return out;
  }

  TensorNames names(const ModelConfig&) const override {
    TensorNames names = gemma2_names();
    names.q_norm = "layers.{}.self_attn.q_norm";
    names.k_norm = "layers.{}.self_attn.k_norm";
    return names;
  }

 private:
  /// One rotation for full attention and one for windows. Older files turn windows by rope_local_base_freq and scale
  /// full attention by rope_scaling; settings that are not sorted by the kind of layer say nothing.
  static void read_rotations(const ConfigReader& config, ModelConfig& out) {
    const auto part = [&](const char* kind) {
      const core::Json* both = config.find("rope_parameters");
      const bool there = both && both->is_object() && both->contains(kind) && both->at(kind).is_object();
      return there ? both->at(kind) : core::Json::object();
    };
    const auto rope = [&](const core::Json& settings, double theta) {
      const core::Json alone = {{"rope_parameters", settings}};
      return read_rope(ConfigReader(alone, config.where()), out.head_dim, out.max_positions, theta);
    };
    core::Json full = part("full_attention");
    if (const core::Json* scaling = config.find("rope_scaling"); scaling && scaling->is_object())
      full.update(*scaling);
    out.ropes = {rope(full, config.positive("rope_theta", 1e6)),
                 rope(part("sliding_attention"), config.positive("rope_local_base_freq", 10000))};
    for (const std::int64_t window : out.windows) out.rope_of.push_back(window > 0 ? 1 : 0);
  }
};

}  // namespace

const Family* family_gemma3() {
  static const Gemma3 family;
  return &family;
}

}  // namespace attune::model
