// GPT-2 (Radford et al. 2019): LayerNorm, learned positions, one fused Conv1D for q, k and v.
#include "core/error.h"
#include "model/config_reader.h"
#include "model/family.h"

namespace attune::model {
namespace {

class Gpt2 final : public Family {
 public:
  FamilyInfo info() const override {
    return {.name = "gpt2",
            .model_types = {"gpt2"},
            .summary =
                "Pre-norm decoder with LayerNorm, learned positions, fused attention input and a GELU MLP.",
            .paper =
                "https://cdn.openai.com/better-language-models/"
                "language_models_are_unsupervised_multitask_learners.pdf",
            .body_prefix = "transformer.",
            .default_lora_targets = {"c_attn"},
            .class_names = {{"gpt2", "GPT2"}},
            .token_head = "classifier",
            .buffers = {".attn.bias", ".attn.masked_bias"}};
  }

  ModelConfig configure(const core::Json& json, const std::string& where) const override {
    const ConfigReader config(json, where);
    ModelConfig out;
    out.family = "gpt2";
    read_sizes(config, out);
    out.norm = NormKind::kLayer;
    out.norm_eps = config.positive("layer_norm_epsilon", 1e-5);
    out.activation = read_activation(config);
    out.mlps.assign(static_cast<std::size_t>(out.layers), MlpKind::kPlain);
    out.fused_qkv = true;
    out.qkv_bias = out.output_bias = out.mlp_bias = true;
    out.learned_positions = true;
    out.tie_embeddings = config.boolean("tie_word_embeddings", true);
    out.attention_scale = config.boolean("scale_attn_weights", true) ? 0 : 1;
    out.scale_by_layer = config.boolean("scale_attn_by_inverse_layer_idx", false);
    out.windows.assign(static_cast<std::size_t>(out.layers), 0);
    out.bos_id = config.integer("bos_token_id", config.is_null("bos_token_id") ? -1 : 50256, -1, 1 << 28);
    out.pad_id = config.integer("pad_token_id", -1, -1, 1 << 28);
    out.eos_ids = config.integers("eos_token_id");
    if (!json.contains("eos_token_id")) out.eos_ids = {50256};
    out.raw = json;
    return out;
  }

  TensorNames names(const ModelConfig&) const override {
    return {.embedding = "wte",
            .positions = "wpe",
            .final_norm = "ln_f",
            .head = "lm_head",
            .input_norm = "h.{}.ln_1",
            .post_norm = "h.{}.ln_2",
            .qkv = {"h.{}.attn.c_attn"},
            .output = "h.{}.attn.c_proj",
            .up = {"h.{}.mlp.c_fc"},
            .down = "h.{}.mlp.c_proj",
            .q_norm = "",
            .k_norm = "",
            .conv1d = true};
  }

 private:
  /// transformers accepts the common spelling of each size as well.
  static std::int64_t either(const ConfigReader& config, const char* key, const char* common,
                             std::int64_t missing) {
    return config.size(key, config.size(common, missing));
  }

  static void read_sizes(const ConfigReader& config, ModelConfig& out) {
    out.vocab_size = config.size("vocab_size", 50257);
    out.hidden_size = either(config, "n_embd", "hidden_size", 768);
    out.layers = either(config, "n_layer", "num_hidden_layers", 12);
    if (out.layers > 10000) config.fail("n_layer", "at most 10000");
    out.heads = out.kv_heads = either(config, "n_head", "num_attention_heads", 12);
    if (out.hidden_size % out.heads != 0)
      core::fail_request("{}: n_embd ({}) must be a multiple of n_head ({})", config.where(), out.hidden_size,
                         out.heads);
    out.head_dim = out.hidden_size / out.heads;
    out.intermediate_size = config.size("n_inner", 4 * out.hidden_size);
    out.max_positions = either(config, "n_positions", "max_position_embeddings", 1024);
    out.keys = {.vocab = "vocab_size",
                .hidden = "n_embd",
                .heads = "n_head",
                .kv_heads = "n_head",
                .head_dim = "n_embd / n_head",
                .intermediate = "n_inner",
                .positions = "n_positions",
                .tie = "tie_word_embeddings",
                .value_dim = "n_embd / n_head"};
  }

  static Activation read_activation(const ConfigReader& config) {
    const std::string name = config.text("activation_function", "gelu_new");
    if (name == "gelu_new" || name == "gelu_pytorch_tanh" || name == "gelu_fast" || name == "gelu_accurate")
      return Activation::kGeluTanh;
    if (name == "gelu" || name == "gelu_python") return Activation::kGelu;
    if (name == "silu" || name == "swish") return Activation::kSilu;
    if (name == "relu") return Activation::kRelu;
    config.fail("activation_function", "one of gelu_new, gelu, gelu_fast, gelu_pytorch_tanh, silu, relu");
  }
};

}  // namespace

const Family* family_gpt2() {
  static const Gpt2 family;
  return &family;
}

}  // namespace attune::model
