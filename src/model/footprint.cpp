#include "model/footprint.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <vector>

#include "model/adapter_modules.h"
#include "model/family.h"
#include "model/files/tensor_slots.h"
#include "model/signal.h"

namespace attune::model {
namespace {

std::int64_t numbers_of(const TensorSlot& slot) {
  const auto sizes = slot.sizes();
  return std::accumulate(sizes.begin(), sizes.end(), std::int64_t{1}, std::multiplies<>());
}

class Counter {
 public:
  Counter(const ModelConfig& config, const AdapterOptions& adapter)
      : config_(config),
        adapter_(adapter),
        full_(adapter.type == "none"),
        weights_(make_skeleton(config, family_with(config))),
        matcher_(full_ ? std::vector<std::string>{} : adapter_targets(config, adapter)) {
    for (const TensorSlot& slot : tensor_slots(weights_, config_)) shapes_[slot.place] = slot.sizes();
    if (!full_) saved_ = modules_in_full(weights_, config_, adapter);
    if (config_.tie_embeddings &&
        (saved_.contains(weights_.head.path) || saved_.contains(weights_.embedding_path))) {
      config_.tie_embeddings = false;  // what is trained in full is a tensor of its own
      parted_ = true;
    }
  }

  Footprint count(const std::set<std::string>& heads) {
    for (const TensorSlot& slot : tensor_slots(weights_, config_)) {
      const std::int64_t numbers = numbers_of(slot);
      const bool head = slot.place == &weights_.head.weight || slot.place == &weights_.head.bias;
      const bool saved = saved_.contains(module_of(slot.name));
      if (!(head && parted_)) out_.weights += numbers;
      if (saved) out_.adapter += numbers;
      if (saved || (full_ && !(head && heads.contains("score")))) out_.trained += numbers;
      if (slot.place == &weights_.embedding && (saved || full_)) out_.embedding = numbers;
    }
    for (const std::string& name : heads)
      out_.trained += config_.hidden_size + (known_heads().at(name).bias ? 1 : 0);
    count_adapter(weights_.lookup, config_.hidden_size, config_.vocab_size);
    count_adapter(weights_.head, config_.vocab_size, config_.hidden_size);
    for (Layer& layer : weights_.layers) count_layer(layer);
    out_.taped += 2 * config_.hidden_size;  // the final norm's input and output
    return out_;
  }

 private:
  bool adapts(const Linear& linear) const { return !full_ && is_target(matcher_, weights_, linear); }
  bool keeps_input(const Linear& linear) const {
    return full_ || adapts(linear) || saved_.contains(linear.path);
  }

  void count_adapter(const Linear& linear, std::int64_t out, std::int64_t in) {
    if (!adapts(linear)) return;
    out_.adapter += adapter_.rank * (out + in);
    out_.trained += adapter_.rank * (out + in);
  }

  void count_linear(const Linear& linear) {
    const auto& shape = shapes_.at(&linear.weight);
    count_adapter(linear, shape[0], shape[1]);
    if (adapts(linear)) out_.taped += adapter_.rank;
  }

  bool any_keeps(const std::vector<Linear>& linears) const {
    return std::any_of(linears.begin(), linears.end(),
                       [&](const Linear& linear) { return keeps_input(linear); });
  }

  void count_layer(Layer& layer) {
    const std::int64_t width = config_.hidden_size, inner = config_.intermediate_size;
    const std::int64_t queries = config_.heads * config_.head_dim,
                       mixed = config_.heads * config_.value_width();
    const std::int64_t keys = config_.kv_heads * config_.head_dim,
                       values = config_.kv_heads * config_.value_width();
    for (const Linear& linear : layer.qkv) count_linear(linear);
    count_linear(layer.output);
    for (const Linear& linear : layer.up) count_linear(linear);
    count_linear(layer.down);
    out_.taped += 2 * width;  // what the norms read
    out_.taped += queries + keys + values + mixed;
    if (any_keeps(layer.qkv)) out_.taped += width;
    if (any_keeps(layer.up)) out_.taped += width;
    out_.taped += (layer.mlp == MlpKind::kGated ? 2 : 1) * inner;
    if (keeps_input(layer.down)) out_.taped += inner;
    out_.passing = std::max(out_.passing, 3 * inner + 2 * width);
  }

  ModelConfig config_;
  const AdapterOptions& adapter_;
  bool full_, parted_ = false;
  TransformerWeights weights_;
  TargetMatcher matcher_;
  std::map<const at::Tensor*, std::vector<std::int64_t>> shapes_;
  std::set<std::string> saved_;
  Footprint out_;
};

}  // namespace

Footprint footprint(const ModelConfig& config, const AdapterOptions& adapter,
                    const std::set<std::string>& heads) {
  return Counter(config, adapter).count(heads);
}

}  // namespace attune::model
