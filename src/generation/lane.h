// The models that a sampling session reads: the policy, and those that decoding techniques ask for.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "model/decode/decoder.h"
#include "model/model.h"

namespace attune::generation {

/// A model as sampling reads it: weights in place, layers with an adapter merged once into copies. Out of
/// date after an update of the adapter.
class Lane {
 public:
  /// @param model outlives the lane
  /// @param tap sees and may change every pass of it; null: none. Outlives the lane
  Lane(const model::Model& model, model::Weights which, model::Tap* tap = nullptr);
  explicit Lane(std::unique_ptr<const model::Model> model);

  const model::ModelConfig& config() const { return model_->config(); }
  const model::Decoder& decoder() const { return decoder_; }
  /// Tokens that end a completion: those of generation_config.json, or config.json's when that file or key is
  /// absent.
  const std::vector<std::int32_t>& end_ids() const { return end_ids_; }

 private:
  std::unique_ptr<const model::Model> owned_;
  const model::Model* model_;
  model::Decoder decoder_;
  std::vector<std::int32_t> end_ids_;
};

/// One more model that a technique reads beside the policy.
struct LaneRequest {
  std::string option;         ///< the technique's option that names it ("expert"), for messages
  model::ModelOptions model;  ///< an empty path is the policy itself, for another prompt to it
};

/// The lanes that requests of a session may read. The policy's is the first.
class Lanes {
 public:
  /// @param policy outlives the lanes
  /// @param tap of the policy's lane, as for Lane
  explicit Lanes(const model::Model& policy, model::Weights which = model::Weights::kPolicy,
                 model::Tap* tap = nullptr);

  std::size_t size() const { return lanes_.size(); }
  const Lane& operator[](std::size_t index) const { return lanes_[index].lane; }
  const Lane& policy() const { return lanes_.front().lane; }

  /// Gives a model that is in memory a name, by which techniques may ask for it as for a folder.
  /// @param model outlives the lanes
  /// @param tap of its lane, as for Lane
  void add(const std::string& name, const model::Model& model, model::Weights which = model::Weights::kPolicy,
           model::Tap* tap = nullptr);
  /// Index of the lane that a technique asks for; its model is loaded when it is asked for first.
  /// @throws Error{kRequest} as Model::load does, and when its vocabulary is not the policy's
  std::size_t find_or_load(const LaneRequest& request);

 private:
  struct Named {
    model::ModelOptions model;
    Lane lane;
  };
  std::deque<Named> lanes_;  // addresses stay: sessions hold on to them
};

}  // namespace attune::generation
