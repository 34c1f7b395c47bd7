// Signals: numbers read off the hidden states at the positions that a method asks for. Each is one file in
// model/signal/ with a forward and a vector–Jacobian product over a chunk of rows, so that no [T, V] tensor
// exists.
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model/transformer.h"

namespace attune::model {

/// Rows to read: row r reads the hidden state at stream index rows[r] and concerns token targets[r].
struct Readout {
  at::Tensor
      rows;  ///< int64 [M] stream indices (a row may repeat: siblings share their prompt's last position)
  at::Tensor targets;  ///< int64 [M] token ids; ignored by head signals
};

/// What one chunk of R rows offers to a signal. All in the model's dtype, or float32 for half precisions.
struct SignalChunk {
  at::Tensor logits;            ///< [R, V] after softcap and division by the temperature
  at::Tensor log_normalizer;    ///< [R] logsumexp of logits
  at::Tensor targets;           ///< [R]
  at::Tensor reference_logits;  ///< [R, V] of the other model; undefined unless the signal needs it
  at::Tensor reference_log_normalizer;
};

enum class SignalKind {
  kVocabulary,  ///< a function of logits (and targets)
  kHead,        ///< a named head on the hidden state, h Wᵀ + b
};

/// A linear head that a model carries beside its output head, and where it lies in the files.
struct HeadInfo {
  std::string name;  ///< "score"
  std::string
      path;  ///< module path: the tensors are path + ".weight" [outputs, D] and path + ".bias" [outputs]
  bool bias = false;  ///< whether a fresh one has a bias; a file may hold either
};

class Signal {
 public:
  virtual ~Signal() = default;
  virtual std::string name() const = 0;     ///< file name: "logps"
  virtual std::string summary() const = 0;  ///< one sentence with the formula
  /// The head that a signal of kind kHead reads; no name: a signal of the vocabulary, which has forward().
  virtual HeadInfo head() const { return {}; }
  SignalKind kind() const { return head().name.empty() ? SignalKind::kVocabulary : SignalKind::kHead; }
  /// Whether it compares with another model's distribution (`Other`).
  virtual bool needs_reference() const { return false; }
  virtual bool differentiable() const { return true; }
  /// [R] from a chunk.
  virtual at::Tensor forward(const SignalChunk& chunk) const;
  /// Adds upstream[r] * ∂signal[r]/∂logits[r, :] to `gradient` [R, V]. Signals that are not differentiable
  /// have none.
  virtual void backward(const SignalChunk& chunk, const at::Tensor& upstream, at::Tensor& gradient) const;
};

/// Generated list: file name → signal.
const std::vector<std::pair<std::string_view, const Signal* (*)()>>& signal_entries();
const Signal& signal_named(std::string_view name);
/// Every head that some signal reads, by name.
std::map<std::string, HeadInfo> known_heads();

/// What signals are read from: hidden states and heads of one model.
struct SignalModel {
  at::Tensor hidden;                    ///< [T, D] (its values; gradients are returned, not recorded)
  Head head{};                          ///< the output head, for signals of the vocabulary
  double temperature = 1;               ///< logits are divided by it before anything else
  std::map<std::string, Head> heads{};  ///< named heads, for signals of kind kHead
};

/// The model that signals of two distributions compare with. It may have computed another stream (a teacher
/// that sees another prompt): row i of a readout stands beside rows[i] of model.hidden.
struct Other {
  SignalModel model;  ///< its vocabulary is the policy's
  at::Tensor rows;    ///< int64 [M]
};

/// Rows of one chunk so that chunk × V stays near `kChunkElements` numbers.
inline constexpr std::int64_t kChunkElements = std::int64_t{1} << 22;

/// Reads signals: name → [M], or [M, K] from a head with K > 1 outputs; in float32 (float64 for a float64
/// model). Signals of the vocabulary are read in chunks: peak memory does not grow with M × V.
/// @param other required by signals that need_reference(); else ignored.
/// @throws Error{kRequest}: a head that the model does not have; vocabularies of different sizes.
std::map<std::string, at::Tensor> read_signals(const SignalModel& policy, const Readout& readout,
                                               const std::vector<std::string>& names,
                                               const Other* other = nullptr);

/// The backward of read_signals: given upstream[name] = ∂loss/∂signal in the signal's shape, returns
/// ∂loss/∂hidden [T, D] and adds ∂loss/∂W to the gradients of the heads' weights and biases where those
/// require grad; frozen weights are skipped, and so is `other`. Recomputes logits chunk by chunk.
at::Tensor backward_signals(const SignalModel& policy, const Readout& readout,
                            const std::map<std::string, at::Tensor>& upstream, const Other* other = nullptr);

}  // namespace attune::model
