#include "cli/selftest_check.h"

#include <fmt/format.h>

namespace attune::cli {

model::Model SelftestBench::load() const { return model::Model::load({.path = model_folder}); }

data::Dataset SelftestBench::open(record::GroupShape shape) const {
  data::DataOptions options;
  options.path = pairs;
  return data::Dataset::open(options, data::TextCodec::load(model_folder), shape, scratch);
}

SelftestResult SelftestResult::within(double difference, double allowed, const std::string& of_what) {
  return {difference <= allowed,
          fmt::format("{}: largest difference {:.1e}, {:.0e} is allowed", of_what, difference, allowed),
          {{"difference", difference}, {"allowed", allowed}}};
}

}  // namespace attune::cli
