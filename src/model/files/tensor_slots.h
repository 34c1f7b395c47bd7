// The one list of a transformer's tensors: names in the file, places in memory, expected shapes. Loading,
// saving, initialising, restoring and training all walk it.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "model/family.h"
#include "model/transformer.h"

namespace attune::model {

/// One size of an expected shape, and the keys of config.json that give it.
struct Extent {
  std::int64_t size;
  std::string keys;
};

struct TensorSlot {
  enum class Kind { kEmbedding, kWeight, kBias, kNorm };
  std::string name;           ///< as transformers writes it, with the body's prefix
  at::Tensor* place;          ///< inside the TransformerWeights that was walked
  std::vector<Extent> shape;  ///< in memory: weights are [out, in]
  Kind kind;
  bool transposed = false;  ///< stored [in, out] (Conv1D)

  std::vector<std::int64_t> sizes() const;         ///< in memory
  std::vector<std::int64_t> stored_sizes() const;  ///< in the file
};

/// Paths and flags of every module, without tensors, those of the named heads (known_heads()) included.
TransformerWeights make_skeleton(const ModelConfig& config, const Family& family);

/// Every tensor that the config asks for, in module order. The output head is listed unless it is tied or the
/// config describes a classifier.
std::vector<TensorSlot> tensor_slots(TransformerWeights& weights, const ModelConfig& config);

/// Weights and biases of the named heads that there are, by their names in the file.
std::vector<std::pair<std::string, at::Tensor>> head_tensors(const TransformerWeights& weights);

/// The embedding with its adapter's effect, [V, D]; the embedding itself where none acts.
at::Tensor merged_embedding(const TransformerWeights& weights, Weights which);

/// What adapted layers hold in the place of their weights and biases once the adapters are merged; computed
/// when called. Points into `weights`.
std::map<const at::Tensor*, std::function<at::Tensor()>> adapter_effects(const TransformerWeights& weights);

/// Calls visit(linear) for every linear layer of the body (not the heads).
template <class Weights, class Visit>
void for_each_linear(Weights& weights, Visit visit) {
  for (auto& layer : weights.layers) {
    for (auto& linear : layer.qkv) visit(linear);
    visit(layer.output);
    for (auto& linear : layer.up) visit(linear);
    visit(layer.down);
  }
}

/// Calls visit(linear) for every layer that can have an adapter, in file order: the embedding (`lookup`,
/// without a weight), the body's linear layers, the output head.
template <class Weights, class Visit>
void for_each_adaptable(Weights& weights, Visit visit) {
  visit(weights.lookup);
  for_each_linear(weights, visit);
  visit(weights.head);
}

}  // namespace attune::model
