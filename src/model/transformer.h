// The transformer: weights as plain tensors, and the forward pass over a packed forest.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/forest.h"
#include "model/adapter.h"
#include "model/config.h"

namespace attune::model {

class Attention;
class Tap;

/// Which weights a pass uses. kReference is the frozen start: the same weights with a fresh adapter off, or
/// with the frozen copy of a continued adapter, or (full fine-tuning with a second copy) other weights.
enum class Weights { kPolicy, kReference };

/// Dropout of adapters: which numbers are dropped depends on the key of the sequence, the position and the
/// layer, never on how sequences were batched.
struct AdapterDropout {
  std::vector<std::uint64_t> token_keys;  ///< [T] one per token of the stream
};

/// y = x Wᵀ + bias (+ adapter). Weights are always [out, in] in memory.
struct Linear {
  std::string path;     ///< module path as in the Hugging Face file: "model.layers.0.self_attn.q_proj"
  at::Tensor weight;    ///< [out, in]
  at::Tensor bias;      ///< [out] or undefined
  bool conv1d = false;  ///< stored transposed in files
  bool lookup = false;  ///< the embedding: its adapter's tensors are Adapter::lookup_tensors()
  std::optional<LayerAdapter> adapter;  ///< trained or loaded
  std::optional<LayerAdapter>
      reference_adapter;  ///< frozen copy for a continued run; none: reference = adapter off
  std::optional<Affine>
      unmerged;  ///< weight and bias as they were, while theirs contain the adapter's effect
  /// @param x [T, in]. @param dropout masks for the adapter's input, or null.
  at::Tensor forward(const at::Tensor& x, Weights weights, const AdapterDropout* dropout = nullptr) const;
  /// Weight [out, in] and bias of a plain layer that computes the same (decoding, saving): the layer's own
  /// where no adapter acts.
  at::Tensor merged(Weights weights) const;
  at::Tensor merged_bias(Weights weights) const;
  /// The adapter that acts beside the plain weight; null where none does, or it is in the weight already.
  const LayerAdapter* acting_adapter(Weights weights) const;
  /// What the acting adapter stands beside.
  Affine plain(Weights weights) const;
  std::vector<AdapterTensor> adapter_parts(const Adapter& kind) const;  ///< what `kind` keeps for this layer
};

struct Norm {
  std::string path;
  at::Tensor weight, bias;  ///< [D]; bias undefined for RMSNorm
  at::Tensor forward(const at::Tensor& x, const ModelConfig& config) const;
};

struct Layer {
  Norm input_norm, post_norm;  ///< before attention, before the MLP; undefined without pre_norms
  Norm attention_output_norm, mlp_output_norm;  ///< defined with post_norms
  std::vector<Linear> qkv;                      ///< {fused} or {q, k, v}
  Norm q_norm, k_norm;                          ///< defined when config.qk_norm
  Linear output;
  MlpKind mlp = MlpKind::kGated;
  std::vector<Linear> up;  ///< {gate, up} or one
  Linear down;
};

/// A head: softcap(h Wᵀ + bias). The output head gives logits; a named head has one row per output.
struct Head {
  at::Tensor weight;  ///< [V, D]; of the output head the embedding itself when tied
  at::Tensor bias;    ///< [V] or undefined
  double softcap = 0;
  std::optional<LayerAdapter> adapter = {};  ///< acts beside the weight, on the autograd tape
};

struct TransformerWeights {
  std::string embedding_path, positions_path;  ///< module paths, "model.embed_tokens"
  at::Tensor embedding;                        ///< [V, D]
  at::Tensor positions;                        ///< [max_positions, D] or undefined
  std::vector<Layer> layers;
  Norm final_norm;
  /// The embedding seen as a linear layer on one-hot rows: its path and adapters. Its weight, which is that
  /// of `embedding` transposed, is kept there only.
  Linear lookup{};
  Linear head;  ///< weight aliases `embedding` when tied; weight undefined in a reward model
  /// What kReference reads where modules are trained in full beside an adapter: these as they were, all else
  /// shared. Null elsewhere.
  std::shared_ptr<const TransformerWeights> start{};
  std::map<std::string, Linear>
      named_heads;  ///< beside the output head, by name (known_heads()): [outputs, D], undefined when absent
};

/// Embeddings that come in place of token ids: images, soft prompts, inputs whose gradient is asked for.
struct GivenRows {
  std::vector<std::uint64_t> keys;  ///< [E] content keys, different and none 0
  /// [E, D] as they enter the first layer: embedding_scale is applied already, learned positions are still
  /// added. Gradients reach them.
  at::Tensor vectors;
};

/// A content key for each row of a tensor [E, D]: equal rows have equal keys. Never 0.
std::vector<std::uint64_t> content_keys(const at::Tensor& rows);

/// What goes into a pass: the packed tokens, of which those with a content key come as rows of `given`. The
/// parts must outlive it.
struct StreamInput {
  StreamInput(const core::Forest& packed, const GivenRows* rows = nullptr)  // NOLINT: a forest is an input
      : forest(packed), given(rows) {}
  const core::Forest& forest;
  const GivenRows* given;
};

/// Tokens in a row, wherever they come from: what embed() reads.
struct TokenRows {
  std::span<const std::int32_t> ids, positions;  ///< [R]
  std::span<const std::uint64_t> content;        ///< [R] or empty
  const GivenRows* given = nullptr;
};

/// What the first layer reads: [R, D]. @throws Error{kRequest}: an id outside the vocabulary
at::Tensor embed(const TransformerWeights& weights, const ModelConfig& config, const TokenRows& rows,
                 Weights which = Weights::kPolicy);

/// How the linear layers of a pass are used.
struct LinearUse {
  Weights weights = Weights::kPolicy;
  const AdapterDropout* dropout = nullptr;
  at::Tensor operator()(const Linear& linear, const at::Tensor& x) const {
    return linear.forward(x, weights, dropout);
  }
};

/// All blocks and the final norm: [R, D] → [R, D]. The same for training and decoding, which differ in where
/// the rows look (`attention`). @param tap may be null
at::Tensor through_layers(const TransformerWeights& weights, const ModelConfig& config, at::Tensor x,
                          Attention& attention, const LinearUse& linears, Tap* tap);

/// Hidden states after the final norm for every token of the stream: [T, D], on the autograd tape if grad
/// mode is on and some weight requires grad. Exact shared-prefix attention, no [T, T] tensor, no padding.
/// @param dropout_keys one for each sequence of the forest, which must not share then: its adapters drop what
/// the key says, however the sequences are batched. Empty: nothing is dropped
/// @param tap sees every activation on its way; may be null
at::Tensor hidden_states(const TransformerWeights& weights, const ModelConfig& config,
                         const StreamInput& input, Weights which = Weights::kPolicy,
                         std::span<const std::uint64_t> dropout_keys = {}, Tap* tap = nullptr);

/// The transformer with every adapter merged into its layer, for decoding: plain linear layers, whose tensors
/// are shared wherever nothing had to be added.
TransformerWeights merged_weights(const TransformerWeights& weights, Weights which);

}  // namespace attune::model
