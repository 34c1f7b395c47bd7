// What a transformer looks like, in the terms of this project. A family file translates config.json into
// this.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/json.h"

namespace attune::model {

enum class NormKind { kRms, kLayer };
enum class Activation { kSilu, kGelu, kGeluTanh, kRelu };
enum class RopeKind { kNone, kDefault, kLinear, kDynamic, kLlama3, kYarn, kLongrope };
/// kGated: down(act(gate x) * up x). kPlain: down(act(up x)).
enum class MlpKind { kGated, kPlain };

/// Rotary position embedding (names follow transformers' modeling_rope_utils).
struct RopeConfig {
  RopeKind kind = RopeKind::kDefault;
  double theta = 10000;
  std::int64_t dims = 0;  ///< rotated dimensions of a head (head_dim * partial_rotary_factor)
  double factor = 1, low_freq_factor = 1, high_freq_factor = 4, beta_fast = 32, beta_slow = 1;
  double attention_factor = 1;  ///< cos and sin are multiplied by it
  std::int64_t original_max_positions = 0;
  bool truncate = true;
  std::vector<double> short_factor, long_factor;
  bool operator==(const RopeConfig&) const = default;
};

/// How config.json spells the sizes, for messages about shapes that contradict it.
struct SizeKeys {
  std::string vocab = "vocab_size", hidden = "hidden_size", heads = "num_attention_heads";
  std::string kv_heads = "num_key_value_heads", head_dim = "head_dim", intermediate = "intermediate_size";
  std::string positions = "max_position_embeddings", tie = "tie_word_embeddings";
  std::string value_dim = "head_dim";
};

/// What the arithmetic depends on besides the sizes: FLAG(type, name, start, meaning). ModelConfig's members
/// are made of this list, and the tests walk it: each flag is tried in training and decoding, so that a new
/// line here without a case there fails.
#define ATTUNE_MODEL_FLAGS(FLAG)                                                                            \
  FLAG(NormKind, norm, NormKind::kRms, "which norm stands everywhere")                                      \
  FLAG(double, norm_eps, 1e-6, "added to the variance")                                                     \
  FLAG(bool, norm_plus_one, false, "the stored weight is w, the factor is 1 + w (Gemma)")                   \
  FLAG(bool, pre_norms, true, "the inputs of attention and MLP are normed (OLMo 2: not)")                   \
  FLAG(bool, post_norms, false, "their outputs are normed before they are added (Gemma 2)")                 \
  FLAG(bool, parallel_block, false, "x + attention(n) + mlp(n) (Phi, NeoX)")                                \
  FLAG(Activation, activation, Activation::kSilu, "of the MLP")                                             \
  FLAG(std::vector<MlpKind>, mlps, {}, "[layers] kind of each layer's MLP; empty: all gated")               \
  FLAG(bool, fused_gate_up, false, "one linear layer gives gate, then up (Phi-3)")                          \
  FLAG(bool, fused_qkv, false, "one linear layer gives q, k and v (GPT-2's c_attn)")                        \
  FLAG(bool, qkv_per_head, false, "its rows are grouped by head: q, k, v of head 0, then 1 (NeoX)")         \
  FLAG(bool, qk_norm, false, "each head's q and k are normed before the rotation (Qwen3)")                  \
  FLAG(std::int64_t, value_dim, 0, "width of a value head; 0: head_dim, the width of q and k")              \
  FLAG(bool, qkv_bias, false, "biases of q, k and v")                                                       \
  FLAG(bool, output_bias, false, "bias of the attention's output")                                          \
  FLAG(bool, mlp_bias, false, "biases of the MLP")                                                          \
  FLAG(bool, head_bias, false, "bias of the output head")                                                   \
  FLAG(bool, tie_embeddings, false, "the output head is the embedding")                                     \
  FLAG(bool, learned_positions, false, "an embedding of positions is added (GPT-2)")                        \
  FLAG(double, embedding_scale, 1, "embeddings are multiplied by it")                                       \
  FLAG(double, attention_scale, 0, "of the scores; 0: 1 / sqrt(head_dim)")                                  \
  FLAG(bool, scale_by_layer, false, "which is divided by the layer's index + 1 (GPT-2 option)")             \
  FLAG(double, attention_softcap, 0, "scores become cap * tanh(score / cap) (Gemma 2); 0: none")            \
  FLAG(std::vector<double>, alibi_slopes, {}, "[heads] the score falls by slope * distance; empty: none")   \
  FLAG(std::vector<std::int64_t>, windows, {},                                                              \
       "[layers] key j is seen by query i iff i - j < window; 0: all")                                      \
  FLAG(std::vector<RopeConfig>, ropes, {}, "the rotations of q and k that layers use; empty: none rotates") \
  FLAG(std::vector<std::int32_t>, rope_of, {}, "[layers] index in ropes, -1: none; empty: the first")       \
  FLAG(double, logit_softcap, 0, "logits become cap * tanh(logit / cap); 0: none")

inline constexpr const char* kSequenceClassifier = "ForSequenceClassification";
inline constexpr const char* kTokenClassifier = "ForTokenClassification";

struct ModelConfig {
  std::string family;  ///< file name in model/family/: "llama", "gpt2"
  std::int64_t vocab_size = 0, hidden_size = 0, layers = 0, heads = 0, kv_heads = 0, head_dim = 0;
  std::int64_t intermediate_size = 0, max_positions = 0;
#define ATTUNE_FLAG_MEMBER(type, name, start, meaning) type name = start;
  ATTUNE_MODEL_FLAGS(ATTUNE_FLAG_MEMBER)
#undef ATTUNE_FLAG_MEMBER
  std::vector<std::int64_t> eos_ids;
  std::int64_t bos_id = -1, pad_id = -1;
  /// What architectures names after the stem where it is a classifier, which has a score head and no lm_head:
  /// kSequenceClassifier, scored at its last token, or kTokenClassifier, at every token.
  std::string classifier;
  SizeKeys keys;
  core::Json raw;  ///< config.json as it was read; saved back with what changed

  bool is_classifier() const { return !classifier.empty(); }
  std::int64_t value_width() const { return value_dim > 0 ? value_dim : head_dim; }
  MlpKind mlp_of(std::size_t layer) const { return mlps.empty() ? MlpKind::kGated : mlps[layer]; }
  /// Index in `ropes` of a layer's rotation, -1 without one.
  std::int32_t rope_index(std::size_t layer) const {
    return ropes.empty() ? -1 : rope_of.empty() ? 0 : rope_of[layer];
  }
  /// Class of the position tables for a sequence of this length: sequences share a prefix only if equal. 0
  /// for all kinds but kDynamic and kLongrope.
  std::int32_t table_of(std::int64_t length) const;
  /// Tokens that the model was made for: max_positions, or factor × original length where a scaled rotation
  /// reaches further. A hard limit only with learned positions.
  std::int64_t context() const;
  /// Index of the token at which a sequence's score is read, as transformers' classifiers do: the last one
  /// that is not padding (pad_id); the last one where there is no padding id, the first where all is padding.
  std::int64_t scored_token(std::span<const std::int32_t> ids) const;
};

/// Calls visit(name, value, meaning) for every flag of the list above.
template <class Config, class Visit>
void for_each_flag(Config& config, Visit visit) {
#define ATTUNE_FLAG_VISIT(type, name, start, meaning) visit(#name, config.name, meaning);
  ATTUNE_MODEL_FLAGS(ATTUNE_FLAG_VISIT)
#undef ATTUNE_FLAG_VISIT
}

}  // namespace attune::model
