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
  at::Tensor reference_logits;  ///< [R, V] undefined unless the signal needs it
  at::Tensor reference_log_normalizer;
};

enum class SignalKind {
  kVocabulary,  ///< a function of logits (and targets)
  kHead,        ///< score head on the hidden state
};

class Signal {
 public:
  virtual ~Signal() = default;
  virtual std::string name() const = 0;     ///< file name: "logps"
  virtual std::string summary() const = 0;  ///< one sentence with the formula
  virtual SignalKind kind() const { return SignalKind::kVocabulary; }
  virtual bool needs_reference() const { return false; }
  virtual bool differentiable() const { return true; }
  /// [R] from a chunk.
  virtual at::Tensor forward(const SignalChunk& chunk) const = 0;
  /// Adds upstream[r] * ∂signal[r]/∂logits[r, :] to `gradient` [R, V].
  virtual void backward(const SignalChunk& chunk, const at::Tensor& upstream, at::Tensor& gradient) const = 0;
};

/// Generated list: file name → signal.
const std::vector<std::pair<std::string_view, const Signal* (*)()>>& signal_entries();
const Signal& signal_named(std::string_view name);

/// What the fused head computes with: hidden states and head of the policy and, for divergences, of the
/// reference.
struct SignalModel {
  at::Tensor hidden;  ///< [T, D] (its values; gradients are returned, not recorded)
  Head head;
  double temperature = 1;  ///< logits are divided by it before anything else
  Head score;              ///< reward head for signals of kind kHead; when undefined `head` stands for it
};

/// Rows of one chunk so that chunk × V stays near `kChunkElements` numbers.
inline constexpr std::int64_t kChunkElements = std::int64_t{1} << 22;

/// Reads vocabulary signals: name → [M], in float32 (float64 for a float64 model). Chunked: peak memory does
/// not grow with M × V.
std::map<std::string, at::Tensor> read_signals(const SignalModel& policy, const Readout& readout,
                                               const std::vector<std::string>& names,
                                               const SignalModel* reference = nullptr);

/// The backward of read_signals: given upstream[name][M] = ∂loss/∂signal, returns ∂loss/∂hidden [T, D] and
/// adds ∂loss/∂W to head.weight.grad() (and bias) when those require grad; frozen weights are skipped.
/// Recomputes logits chunk by chunk.
at::Tensor backward_signals(const SignalModel& policy, const Readout& readout,
                            const std::map<std::string, at::Tensor>& upstream,
                            const SignalModel* reference = nullptr);

}  // namespace attune::model
