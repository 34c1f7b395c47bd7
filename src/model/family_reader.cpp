#include "model/family_reader.h"

#include <fmt/format.h>

#include "core/error.h"

namespace attune::model {

void read_sizes(const ConfigReader& config, const SizeDefaults& defaults, ModelConfig& out) {
  out.vocab_size = config.size("vocab_size", defaults.vocab);
  out.hidden_size = config.size("hidden_size", defaults.hidden);
  out.layers = config.integer("num_hidden_layers", defaults.layers, 1, 10000);
  out.heads = config.size("num_attention_heads", defaults.heads);
  // null means "as many as heads", a missing key means the class default
  const bool null_kv = config.is_null("num_key_value_heads");
  out.kv_heads =
      config.size("num_key_value_heads", null_kv || defaults.kv_heads == 0 ? out.heads : defaults.kv_heads);
  const bool divides = defaults.head_dim == 0 && !config.has("head_dim");
  if (divides && out.hidden_size % out.heads != 0)
    config.fail("hidden_size", fmt::format("a multiple of num_attention_heads ({})", out.heads));
  out.head_dim = config.size("head_dim", divides ? out.hidden_size / out.heads : defaults.head_dim);
  if (out.heads % out.kv_heads != 0)
    core::fail_request("{}: num_attention_heads ({}) must be a multiple of num_key_value_heads ({}{})",
                       config.where(), out.heads, out.kv_heads,
                       config.has("num_key_value_heads") ? "" : ", the class default");
  out.intermediate_size = config.size("intermediate_size", defaults.intermediate);
  out.max_positions = config.size("max_position_embeddings", defaults.positions);
}

Activation read_activation(const ConfigReader& config, std::string_view key, std::string_view missing) {
  const std::string name = config.text(key, missing);
  if (name == "silu" || name == "swish") return Activation::kSilu;
  if (name == "gelu") return Activation::kGelu;
  if (name == "gelu_new" || name == "gelu_pytorch_tanh" || name == "gelu_fast") return Activation::kGeluTanh;
  if (name == "relu") return Activation::kRelu;
  config.fail(key, "one of silu, gelu, gelu_new, gelu_fast, gelu_pytorch_tanh, relu");
}

void read_token_ids(const ConfigReader& config, std::int64_t bos, std::int64_t eos, std::int64_t pad,
                    ModelConfig& out) {
  const auto one = [&](const char* key, std::int64_t missing) {
    return config.integer(key, config.is_null(key) ? -1 : missing, -1, 1 << 28);
  };
  out.bos_id = one("bos_token_id", bos);
  out.pad_id = one("pad_token_id", pad);
  out.eos_ids = config.integers("eos_token_id");
  for (const std::int64_t id : out.eos_ids)
    if (id < -1 || id >= 1 << 28) config.fail("eos_token_id", "ids of tokens");
  if (!config.has("eos_token_id") && !config.is_null("eos_token_id") && eos >= 0) out.eos_ids = {eos};
}

std::vector<std::string> read_layer_types(const ConfigReader& config, std::int64_t layers) {
  const auto types = config.texts("layer_types");
  if (!types.empty() && types.size() != static_cast<std::size_t>(layers))
    config.fail("layer_types", fmt::format("a list with one entry for each of the {} layers", layers));
  for (const std::string& type : types)
    if (type != "sliding_attention" && type != "full_attention")
      config.fail("layer_types", "a list of full_attention and sliding_attention");
  return types;
}

TensorNames llama_names() {
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

void refuse_switch(const ConfigReader& config, std::string_view key) {
  if (config.boolean(key, false)) config.fail(key, "false: models with it are not supported yet");
}

}  // namespace attune::model
