// `attune explain METHOD model=M data=FILE`: what a method does to a real record, token by token.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>

#include "algorithm/method.h"
#include "cli/compute_options.h"
#include "cli/explain/records.h"
#include "core/config/fields.h"
#include "core/json.h"
#include "data/dataset.h"
#include "model/model.h"

namespace attune::cli {

/// The keys besides method and fixture; all at the top level of the command.
struct RealStepOptions {
  struct Reference {
    std::string path;
    void declare(core::Fields& fields);
  };
  model::ModelOptions model;
  Reference reference;
  data::DataOptions data;
  std::int64_t record = 0, step_records = 8, tokens = 24;
  ComputeOptions compute;
  void declare(core::Fields& fields);
};

/// The models of a command, loaded once to explain any number of methods.
class RecordExplainer {
 public:
  /// @param heads the named heads that any of the methods reads
  RecordExplainer(RealStepOptions options, std::set<std::string> heads);

  const RealStepOptions& options() const { return options_; }
  const data::TextCodec& codec() const { return codec_; }
  const model::ModelConfig& config() const { return model_->config(); }
  /// Gives the policy the heads that the method reads. @throws Error{kRequest} where a model lacks one that is not made
  /// anew
  void prepare_for(const algorithm::Method& method);
  /// What follows from the records: step_json(). prepare_for() comes before it.
  core::Json explain(const ExplainedRecords& found, const algorithm::Method& method);
  /// What stands above it: "model", "dtype", "reference", "data" …
  core::Json heading(const ExplainedRecords& found, const algorithm::Method& method) const;

 private:
  void need_head(const algorithm::Method& method, const model::Model& model, const std::string& path) const;
  bool shows_reference(const algorithm::Method& method) const;

  RealStepOptions options_;
  std::optional<model::Model> model_, reference_;
  core::Json heads_ = core::Json::object();  ///< "score_head": whether the model brought it or it is fresh
  data::TextCodec codec_;
};

/// A step of one record (or of `step_records` where the loss couples a step), computed by the engine that
/// trains.
struct RealStep {
  /// What --json prints: "method", "options", "model", "dtype", "reference", "data", "record", "id",
  /// "prompt", "prompt_ids", "step_records", then step_json().
  core::Json result;
  data::TextCodec codec;
};

/// @throws Error{kRequest}: model or data missing or not readable, no usable record, `record` out of range, a
/// model without the head that the method reads.
RealStep real_step(algorithm::Method& method, RealStepOptions options);

}  // namespace attune::cli
