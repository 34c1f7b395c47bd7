// What a transformer looks like, in the terms of this project. A family file translates config.json into
// this.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/json.h"

namespace attune::model {

enum class NormKind { kRms, kLayer };
enum class Activation { kSilu, kGelu, kGeluTanh, kRelu };
enum class RopeKind { kNone, kDefault, kLinear, kDynamic, kLlama3, kYarn, kLongrope };

/// Rotary position embedding (formats.md names follow transformers' modeling_rope_utils).
struct RopeConfig {
  RopeKind kind = RopeKind::kDefault;
  double theta = 10000;
  std::int64_t dims = 0;  ///< rotated dimensions of a head (head_dim * partial_rotary_factor)
  double factor = 1, low_freq_factor = 1, high_freq_factor = 4, beta_fast = 32, beta_slow = 1;
  double attention_factor = 1;  ///< cos and sin are multiplied by it
  std::int64_t original_max_positions = 0;
  bool truncate = true;
  std::vector<double> short_factor, long_factor;
};

/// How config.json spells the sizes, for messages about shapes that contradict it.
struct SizeKeys {
  std::string vocab = "vocab_size", hidden = "hidden_size", heads = "num_attention_heads";
  std::string kv_heads = "num_key_value_heads", head_dim = "head_dim", intermediate = "intermediate_size";
  std::string positions = "max_position_embeddings", tie = "tie_word_embeddings";
};

struct ModelConfig {
  std::string family;  ///< file name in model/family/: "llama", "gpt2"
  std::int64_t vocab_size = 0, hidden_size = 0, layers = 0, heads = 0, kv_heads = 0, head_dim = 0;
  std::int64_t intermediate_size = 0, max_positions = 0;
  NormKind norm = NormKind::kRms;
  double norm_eps = 1e-6;
  bool norm_plus_one = false;  ///< the stored weight is w, the factor is 1 + w (Gemma)
  Activation activation = Activation::kSilu;
  bool gated_mlp = true;           ///< down(act(gate x) * up x) instead of down(act(up x))
  bool fused_qkv = false;          ///< one linear layer gives q, k and v (GPT-2's c_attn)
  bool parallel_block = false;     ///< x + attn(n) + mlp(n) (Phi, NeoX)
  bool learned_positions = false;  ///< an embedding of positions is added (GPT-2)
  bool qk_norm = false;            ///< RMSNorm of each head's q and k before RoPE (Qwen3)
  bool fused_gate_up = false;      ///< one linear layer gives gate, then up (Phi-3)
  bool qkv_per_head =
      false;  ///< rows of the fused layer are grouped by head: q, k, v of head 0, then 1 (NeoX)
  bool qkv_bias = false, output_bias = false, mlp_bias = false, head_bias = false;
  bool tie_embeddings = false;
  double embedding_scale = 1, attention_scale = 0;  ///< attention_scale 0: 1/sqrt(head_dim)
  bool scale_by_layer = false;  ///< attention scale divided by layer index + 1 (GPT-2 option)
  double logit_softcap = 0;     ///< 0: none
  RopeConfig rope;
  std::vector<std::int64_t>
      windows;  ///< [layers] sliding window, 0 = full: key j visible to query i iff i - j < window
  std::vector<bool> rope_layers;  ///< [layers] false: no rotation in this layer
  std::vector<std::int64_t> eos_ids;
  std::int64_t bos_id = -1, pad_id = -1;
  bool sequence_classification =
      false;  ///< architectures names <X>ForSequenceClassification: no lm_head, a score head
  SizeKeys keys;
  core::Json raw;  ///< config.json as it was read; saved back with what changed

  /// Class of the position table for a sequence of this length: sequences share a prefix only if equal. 0 for
  /// all kinds but kDynamic and kLongrope.
  std::int32_t table_of(std::int64_t length) const;
};

}  // namespace attune::model
