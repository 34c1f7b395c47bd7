// What `attune selftest` checks: one file each in cli/selftest/. `selftest/packing.cpp` defines
// `std::unique_ptr<SelftestCheck> selftest_packing();` and with that the check runs.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/compute_options.h"
#include "core/json.h"
#include "data/dataset.h"
#include "model/model.h"

namespace attune::cli {

/// What checks share: the bundled model and a folder that is gone afterwards.
struct SelftestBench {
  std::string model_folder;  ///< a Hugging Face folder
  std::string pairs;         ///< 32 preference pairs of ids for that model, native records
  std::string scratch;       ///< for whatever a check writes, under names of its own; gone afterwards
  ComputeOptions compute;    ///< resolved

  model::Model load() const;
  /// The pairs as a method that asks for them reads them.
  data::Dataset open(record::GroupShape shape) const;
};

/// What a check found.
struct SelftestResult {
  bool passed = true;
  std::string says;  ///< for people: what was compared, by how much it differs, what is allowed
  core::Json numbers = core::Json::object();  ///< the same for programs

  /// Compares the largest difference that was found with what is allowed; NaN never passes.
  static SelftestResult within(double difference, double allowed, const std::string& of_what);
};

class SelftestCheck {
 public:
  virtual ~SelftestCheck() = default;
  virtual std::string title() const = 0;  ///< a few words: "golden losses"
  /// @throws core::Error, which counts as failed
  virtual SelftestResult run(const SelftestBench& bench) const = 0;
};

/// Generated list: file name, by which a check is called → factory; sorted, and run in this order.
const std::vector<std::pair<std::string_view, std::unique_ptr<SelftestCheck> (*)()>>& selftest_entries();

}  // namespace attune::cli
