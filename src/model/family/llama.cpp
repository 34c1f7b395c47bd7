// Llama (Touvron et al. 2023, arXiv:2302.13971) and what config.json makes of it: Mistral, Qwen2.
#include <algorithm>

#include "core/error.h"
#include "model/config_reader.h"
#include "model/family.h"
#include "model/rope_config.h"

namespace attune::model {
namespace {

/// Class defaults of transformers' configuration classes (they matter when a key is missing).
struct Defaults {
  std::int64_t vocab, hidden, intermediate, layers, heads, kv_heads, positions, bos, eos;
};

Defaults defaults_of(const std::string& type) {
  if (type == "mistral") return {32000, 4096, 14336, 32, 32, 8, 131072, 1, 2};
  if (type == "qwen2") return {151936, 4096, 22016, 32, 32, 32, 32768, -1, -1};
  return {32000, 4096, 11008, 32, 32, 0, 2048, 1, 2};  // kv_heads 0: as many as heads
}

class Llama final : public Family {
 public:
  FamilyInfo info() const override {
    return {
        .name = "llama",
        .model_types = {"llama", "mistral", "qwen2"},
        .summary =
            "Pre-norm decoder with RMSNorm, rotary positions and a gated SiLU MLP: Llama, Mistral, Qwen2.",
        .paper = "arXiv:2302.13971",
        .body_prefix = "model.",
        .default_lora_targets = {"q_proj", "v_proj"},
        .class_names = {{"llama", "Llama"}, {"mistral", "Mistral"}, {"qwen2", "Qwen2"}},
        .buffers = {".rotary_emb.inv_freq"}};
  }

  ModelConfig configure(const core::Json& json, const std::string& where) const override {
    const ConfigReader config(json, where);
    const std::string type = config.text("model_type", "llama");
    const Defaults defaults = defaults_of(type);
    ModelConfig out;
    out.family = "llama";
    read_sizes(config, defaults, out);
    out.norm_eps = config.positive("rms_norm_eps", 1e-6);
    out.activation = read_activation(config);
    out.ropes = {read_rope(config, out.head_dim, out.max_positions)};
    out.tie_embeddings = config.boolean("tie_word_embeddings", false);
    if (type == "llama") {
      out.qkv_bias = out.output_bias = config.boolean("attention_bias", false);
      out.mlp_bias = config.boolean("mlp_bias", false);
    } else if (type == "qwen2") {
      out.qkv_bias = true;
    }
    read_windows(config, type, out);
    out.bos_id = config.integer("bos_token_id", defaults.bos, -1, 1 << 28);
    out.pad_id = config.integer("pad_token_id", -1, -1, 1 << 28);
    out.eos_ids = config.integers("eos_token_id");
    if (!json.contains("eos_token_id") && defaults.eos >= 0) out.eos_ids = {defaults.eos};
    out.raw = json;
    return out;
  }

  TensorNames names(const ModelConfig&) const override {
    return {.embedding = "embed_tokens",
            .positions = "",
            .final_norm = "norm",
            .head = "lm_head",
            .input_norm = "layers.{}.input_layernorm",
            .post_norm = "layers.{}.post_attention_layernorm",
            .qkv = {"layers.{}.self_attn.q_proj", "layers.{}.self_attn.k_proj", "layers.{}.self_attn.v_proj"},
            .output = "layers.{}.self_attn.o_proj",
            .up = {"layers.{}.mlp.gate_proj", "layers.{}.mlp.up_proj"},
            .down = "layers.{}.mlp.down_proj",
            .q_norm = "",
            .k_norm = ""};
  }

 private:
  static void read_sizes(const ConfigReader& config, const Defaults& defaults, ModelConfig& out) {
    out.vocab_size = config.size("vocab_size", defaults.vocab);
    out.hidden_size = config.size("hidden_size", defaults.hidden);
    out.layers = config.integer("num_hidden_layers", defaults.layers, 1, 10000);
    out.heads = config.size("num_attention_heads", defaults.heads);
    // null means "as many as heads", a missing key means the class default
    const bool null_kv = config.is_null("num_key_value_heads");
    out.kv_heads =
        config.size("num_key_value_heads", null_kv || defaults.kv_heads == 0 ? out.heads : defaults.kv_heads);
    if (!config.has("head_dim") && out.hidden_size % out.heads != 0)
      config.fail("hidden_size", fmt::format("a multiple of num_attention_heads ({})", out.heads));
    out.head_dim = config.size("head_dim", out.hidden_size / out.heads);
    if (out.heads % out.kv_heads != 0)
      core::fail_request("{}: num_attention_heads ({}) must be a multiple of num_key_value_heads ({}{})",
                         config.where(), out.heads, out.kv_heads,
                         config.has("num_key_value_heads") ? "" : ", the class default");
    out.intermediate_size = config.size("intermediate_size", defaults.intermediate);
    out.max_positions = config.size("max_position_embeddings", defaults.positions);
  }

  static Activation read_activation(const ConfigReader& config) {
    const std::string name = config.text("hidden_act", "silu");
    if (name == "silu" || name == "swish") return Activation::kSilu;
    if (name == "gelu") return Activation::kGelu;
    if (name == "gelu_new" || name == "gelu_pytorch_tanh") return Activation::kGeluTanh;
    if (name == "relu") return Activation::kRelu;
    config.fail("hidden_act", "one of silu, gelu, gelu_new, gelu_pytorch_tanh, relu");
  }

  static std::int64_t read_window(const ConfigReader& config) {
    return config.integer("sliding_window", config.is_null("sliding_window") ? 0 : 4096, 1, 1 << 28);
  }

  static void read_windows(const ConfigReader& config, const std::string& type, ModelConfig& out) {
    const auto layers = static_cast<std::size_t>(out.layers);
    out.windows.assign(layers, 0);
    if (type == "mistral") {  // one window for every layer; null switches it off, a missing key means 4096
      out.windows.assign(layers, read_window(config));
    }
    if (type != "qwen2" || !config.boolean("use_sliding_window", false)) return;
    const auto window = read_window(config);
    const auto first = config.integer("max_window_layers", 28, 0, 1 << 28);
    const auto types = config.texts("layer_types");
    if (!types.empty() && types.size() != layers)
      config.fail("layer_types", fmt::format("a list with one entry for each of the {} layers", layers));
    for (std::size_t i = 0; i < layers; ++i) {
      const bool slides =
          types.empty() ? static_cast<std::int64_t>(i) >= first : types[i] == "sliding_attention";
      if (slides) out.windows[i] = window;
    }
  }
};

}  // namespace

const Family* family_llama() {
  static const Llama family;
  return &family;
}

}  // namespace attune::model
