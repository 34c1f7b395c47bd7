// `attune explain METHOD model=M data=FILE`: what a method does to a real record, token by token.
#pragma once

#include <cstdint>
#include <string>

#include "algorithm/method.h"
#include "cli/compute_options.h"
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
