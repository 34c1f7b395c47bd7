// Where a method's steps come from: rows of data, or samples of the model being trained.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "core/json.h"
#include "training/step/assemble.h"
#include "training/step/data_stream.h"
#include "training/step/step.h"

namespace attune::training {

/// How often a step is learned from: `passes` over it, each in `minibatches` parts, an update for every part.
struct StepUse {
  std::int64_t passes = 1, minibatches = 1;
  std::int64_t updates() const { return passes * minibatches; }
};

class StepSource {
 public:
  virtual ~StepSource() = default;
  /// The next step. A source that samples uses the policy as it is now; checkpoints fall between steps, so it
  /// may hold nothing that cursor() does not tell.
  /// @param update number of the first update that will learn from it: keys random numbers
  virtual Step next(std::uint64_t update) = 0;
  virtual StepUse use() const { return {}; }
  virtual std::int64_t steps_per_epoch() const = 0;
  /// Epochs read so far, with fraction.
  virtual double epoch() const = 0;
  virtual core::Json cursor() const = 0;
  /// @throws Error{kRequest} when the cursor is damaged; `where` names its file
  virtual void seek(const core::Json& cursor, const std::string& where) = 0;
  /// A source that gives the same steps from here on, for computing beforehand what is known of them; null
  /// where steps depend on the policy.
  virtual std::unique_ptr<StepSource> rehearsal() const { return nullptr; }
};

/// Batches of a dataset, grouped as the method learns from them.
class DatasetSteps final : public StepSource {
 public:
  /// @param method, config must outlive this object
  DatasetSteps(DataStream stream, const algorithm::Method& method, const model::ModelConfig& config)
      : stream_(std::move(stream)), method_(method), config_(config) {}
  Step next(std::uint64_t update) override;
  std::int64_t steps_per_epoch() const override { return stream_.batches_per_epoch(); }
  double epoch() const override { return stream_.epoch(); }
  core::Json cursor() const override { return stream_.cursor(); }
  void seek(const core::Json& cursor, const std::string& where) override { stream_.seek(cursor, where); }
  std::unique_ptr<StepSource> rehearsal() const override { return std::make_unique<DatasetSteps>(*this); }

 private:
  DataStream stream_;
  const algorithm::Method& method_;
  const model::ModelConfig& config_;
};

}  // namespace attune::training
