#include "training/step/explained_step.h"

#include <ATen/ATen.h>

#include <algorithm>

namespace attune::training {
namespace {

using algorithm::Batch;
using algorithm::Need;

/// Stands before a method and notes down what the engine shows it, so that what is explained is what the
/// engine computes and not a second computation of the same.
class Recorder final : public algorithm::Method {
 public:
  Recorder(const algorithm::Method& method, const std::vector<Need>& extra)
      : method_(method), needs_(method.needs()) {
    for (const Need& need : extra) {
      const auto same = [&](const Need& known) { return known.key() == need.key(); };
      if (std::any_of(needs_.begin(), needs_.end(), same)) continue;
      needs_.push_back(need);
      hidden_.push_back(need.key());
    }
  }

  algorithm::MethodInfo info() const override { return method_.info(); }
  core::Fields fields() override { return {}; }
  std::vector<Need> needs() const override { return needs_; }
  /// The whole step in one call: every number is seen together, whatever the method couples.
  algorithm::Scope scope() const override { return algorithm::Scope::kStep; }
  record::GroupShape shape() const override { return method_.shape(); }
  algorithm::Derived derived() const override { return method_.derived(); }
  void prepare(Batch& step, algorithm::State& state, algorithm::Metrics& metrics) const override {
    Batch seen = without_hidden(step);
    method_.prepare(seen, state, metrics);
    step.prepared = std::move(seen.prepared);
  }
  algorithm::Loss loss(const Batch& batch, const algorithm::State& state) const override {
    const Batch seen = without_hidden(batch);
    batch_ = batch;
    coefficients_ = algorithm::differentiate(method_, seen, state);
    return method_.loss(seen, state);
  }

  Batch& batch() const { return batch_; }
  algorithm::Coefficients& coefficients() const { return coefficients_; }

 private:
  Batch without_hidden(const Batch& batch) const {
    Batch seen = batch;
    for (const std::string& key : hidden_) seen.signals.erase(key);
    return seen;
  }

  const algorithm::Method& method_;
  std::vector<Need> needs_;
  std::vector<std::string> hidden_;  ///< keys that only the reader sees
  mutable Batch batch_;              ///< loss() is const for methods; noting down changes no result
  mutable algorithm::Coefficients coefficients_;
};

}  // namespace

ExplainedStep explain_step(const Engine& engine, const Step& step, const algorithm::Method& method,
                           const std::vector<Need>& extra) {
  const Recorder recorder(method, extra);
  algorithm::State state;
  ExplainedStep explained;
  explained.result = engine.run(step, recorder, state, /*weight=*/1, Purpose::kLook);
  explained.batch = std::move(recorder.batch());
  for (auto& [key, signal] : explained.batch.signals) signal.numbers = signal.numbers.detach();
  explained.coefficients = std::move(recorder.coefficients());
  return explained;
}

}  // namespace attune::training
