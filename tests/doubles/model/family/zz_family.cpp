// A family that exists in tests only: everything that a layer can be at once, from one file. Post-norms, soft
// caps, a rotation of its own for each layer and none in one, a fused MLP, keys and values of different
// widths.
//
// config.json may say "flags": {name: value} with names of ModelConfig's flags: then those apply to a plain
// decoder instead, so that each flag can be looked at alone. Kinds are given as their numbers.
#include <cstdint>
#include <string>
#include <type_traits>
#include <vector>

#include "core/error.h"
#include "model/config_reader.h"
#include "model/family.h"

namespace attune::model {
namespace {

RopeConfig rope_from(const core::Json& json) {
  RopeConfig rope;
  rope.kind = static_cast<RopeKind>(json.value("kind", 1));
  rope.theta = json.value("theta", 10000.0);
  rope.dims = json.value("dims", std::int64_t{0});
  rope.factor = json.value("factor", 1.0);
  rope.original_max_positions = json.value("original", std::int64_t{0});
  return rope;
}

template <class T>
void assign(const core::Json& json, T& value) {
  if constexpr (std::is_enum_v<T>)
    value = static_cast<T>(json.get<int>());
  else if constexpr (std::is_same_v<T, RopeConfig>)
    value = rope_from(json);
  else
    value = json.get<T>();
}

template <class T>
void assign(const core::Json& json, std::vector<T>& values) {
  values.clear();
  for (const core::Json& item : json) assign(item, values.emplace_back());
}

core::Json everything_at_once() {
  return core::Json::parse(R"({"post_norms": true, "norm_plus_one": true, "attention_softcap": 1.5,
    "logit_softcap": 4.0, "fused_gate_up": true, "activation": 2, "value_dim": 6, "embedding_scale": 3.0,
    "ropes": [{"theta": 1000.0, "dims": 4}, {"kind": 2, "theta": 50.0, "dims": 2, "factor": 2.0}],
    "rope_of": [0, 1, -1], "windows": [5, 0, 0]})");
}

class ZzFamily final : public Family {
 public:
  FamilyInfo info() const override {
    return {.name = "zz_family",
            .model_types = {"zz_family"},
            .summary = "A decoder with everything that a layer can be; in tests only.",
            .paper = "",
            .body_prefix = "zz.",
            .default_lora_targets = {"mix", "shrink"}};
  }

  ModelConfig configure(const core::Json& json, const std::string& where) const override {
    const ConfigReader config(json, where);
    ModelConfig out;
    out.family = "zz_family";
    out.vocab_size = config.size("vocab_size", 50);
    out.hidden_size = config.size("hidden_size", 16);
    out.layers = config.integer("num_hidden_layers", 3, 1, 100);
    out.heads = config.size("num_attention_heads", 4);
    out.kv_heads = config.size("num_key_value_heads", 2);
    out.head_dim = config.size("head_dim", 4);
    out.intermediate_size = config.size("intermediate_size", 24);
    out.max_positions = config.size("max_position_embeddings", 256);
    const core::Json flags = json.value("flags", everything_at_once());
    for_each_flag(out, [&](const char* name, auto& value, const char*) {
      if (flags.contains(name)) assign(flags.at(name), value);
    });
    out.keys.value_dim = "flags";
    out.eos_ids = config.integers("eos_token_id");
    out.raw = json;
    return out;
  }

  TensorNames names(const ModelConfig& config) const override {
    using Names = std::vector<std::string>;
    return {.embedding = "tokens",
            .positions = config.learned_positions ? "places" : "",
            .final_norm = "last_norm",
            .head = "lm_head",
            .input_norm = "{}.norm_1",
            .post_norm = config.parallel_block ? "" : "{}.norm_2",
            .qkv = config.fused_qkv ? Names{"{}.read"} : Names{"{}.q", "{}.k", "{}.v"},
            .output = "{}.mix",
            .up = config.fused_gate_up ? Names{"{}.grow"} : Names{"{}.gate", "{}.grow"},
            .down = "{}.shrink",
            .q_norm = config.qk_norm ? "{}.norm_q" : "",
            .k_norm = config.qk_norm ? "{}.norm_k" : "",
            .attention_output_norm = "{}.norm_3",
            .mlp_output_norm = "{}.norm_4"};
  }
};

}  // namespace

const Family* family_zz_family() {
  static const ZzFamily family;
  return &family;
}

}  // namespace attune::model
