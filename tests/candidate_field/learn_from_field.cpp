// A method that reads a field of record::Candidate which the project does not have: built by
// tests/candidate_field.py in a copy of the sources with one line added. Prints the sum of the field over a
// step of the given file.
//
// learn_from_field DATA CACHE_FOLDER
#include <ATen/ATen.h>
#include <fmt/format.h>

#include <vector>

#include "algorithm/method.h"
#include "data/dataset.h"
#include "training/step/assemble.h"

namespace {

using namespace attune;

class SumOfField final : public algorithm::Method {
 public:
  algorithm::MethodInfo info() const override { return {}; }
  core::Fields fields() override { return {}; }
  std::vector<algorithm::Need> needs() const override { return {}; }
  algorithm::Scope scope() const override { return algorithm::Scope::kCandidate; }
  algorithm::GroupShape shape() const override { return algorithm::GroupShape::kDemonstrations; }
  algorithm::Loss loss(const algorithm::Batch& batch, const algorithm::State&) const override {
    at::Tensor sum = at::zeros({}, at::kDouble);
    for (const record::Candidate& candidate : batch.candidates) sum += candidate.zz_field.value();
    return {sum, {}};
  }
};

}  // namespace

int main(int, char** arguments) {
  const SumOfField method;
  data::DataOptions options;
  options.path = arguments[1];
  const auto dataset = data::Dataset::open(options, data::TextCodec{}, method.shape(), arguments[2]);
  std::vector<data::TokenizedRow> rows;
  for (std::int64_t i = 0; i < dataset.size(); ++i) rows.push_back(dataset.row(i));
  const auto step = training::assemble_step(rows, method, model::ModelConfig{}, dataset.use());
  fmt::print("{}\n", method.loss(step.batch(), {}).value.item<double>());
}
