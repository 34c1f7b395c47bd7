// From a fixture to the JSON of its loss, metrics and coefficients.
#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>

#include "algorithm/fixture.h"

namespace attune::algorithm {

namespace {

core::Json list_of(const at::Tensor& vector) {
  core::Json result = core::Json::array();
  const at::Tensor plain = vector.detach().contiguous();
  for (std::int64_t i = 0; i < plain.numel(); ++i) result.push_back(plain.const_data_ptr<double>()[i]);
  return result;
}

/// Whether the loss is differentiated through the whole distribution, so that only logits tell the full push.
bool uses_whole_distribution(const Method& method) {
  for (const Need& need : method.needs()) {
    if (need.gradient && need.source == Source::kPolicy && need.at == Positions::kTokens &&
        need.signal != "logps" && need.signal != "value") {
      return true;
    }
  }
  return false;
}

/// The numbers of fixture candidates within the tensors of a step.
class Cut {
 public:
  explicit Cut(const FixtureStep& step) : step_(step) {}

  /// A list per token or per candidate; empty where `values` has no such key.
  core::Json of(const std::map<std::string, at::Tensor>& values, const std::string& key,
                std::size_t candidate, Positions at) const {
    const auto found = values.find(key);
    return found == values.end() ? core::Json::array() : list_of(slice(found->second, candidate, at));
  }

  core::Json advantages(std::size_t candidate) const {
    const Batch& batch = step_.batch;
    if (batch.prepared_tokens.contains("advantages")) {
      return of(batch.prepared_tokens, "advantages", candidate, Positions::kTokens);
    }
    const auto found = batch.prepared.find("advantages");
    if (found == batch.prepared.end()) return core::Json::array();
    const std::int64_t row = step_.rows[candidate], tokens = batch.offsets[row + 1] - batch.offsets[row];
    return list_of(found->second[row].expand({tokens}));
  }

  /// −∂loss/∂logits [T][V]: the coefficients of all signals carried back through the signals' own
  /// derivatives.
  core::Json logits(const std::map<std::string, at::Tensor>& coefficients, std::size_t candidate) const {
    const RecordedSignals& recorded = step_.recorded[candidate];
    std::vector<at::Tensor> outputs, upstream;
    for (const auto& [key, values] : coefficients) {
      const auto found = recorded.signals.find(key);
      if (found == recorded.signals.end() || !found->second.requires_grad()) continue;
      outputs.push_back(found->second);
      upstream.push_back(slice(values, candidate, Positions::kTokens));
    }
    core::Json rows = core::Json::array();
    if (outputs.empty()) return rows;
    const at::Tensor gradient =
        torch::autograd::grad(outputs, {recorded.logits}, upstream, /*retain_graph=*/true)[0];
    for (std::int64_t t = 0; t < gradient.size(0); ++t) rows.push_back(list_of(gradient[t]));
    return rows;
  }

 private:
  at::Tensor slice(const at::Tensor& values, std::size_t candidate, Positions at) const {
    const std::int64_t row = step_.rows[candidate];
    if (at == Positions::kLast) return values.slice(0, row, row + 1);
    return values.slice(0, step_.batch.offsets[row], step_.batch.offsets[row + 1]);
  }

  const FixtureStep& step_;
};

}  // namespace

core::Json explain_fixture(const std::vector<FixtureCandidate>& candidates, const Method& method,
                           const std::string& where) {
  FixtureStep step = fixture_step(candidates, method, where);
  State state;
  Metrics metrics;
  method.prepare(step.batch, state, metrics);
  const Coefficients result = differentiate(method, step.batch, state);
  for (const auto& [name, metric] : result.metrics) metrics[name] = metric;

  core::Json json = {
      {"loss", result.loss}, {"metrics", core::Json::object()}, {"candidates", core::Json::array()}};
  for (const auto& [name, metric] : metrics) json["metrics"][name] = metric.value();
  const bool whole = uses_whole_distribution(method);
  const Cut cut(step);
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    core::Json row;
    row["coefficients"] =
        whole ? core::Json::array() : cut.of(result.by_signal, "logps", i, Positions::kTokens);
    row["advantages"] = cut.advantages(i);
    row["value_coefficients"] = cut.of(result.by_signal, "value", i, Positions::kTokens);
    row["score_coefficients"] = cut.of(result.by_signal, "score", i, Positions::kLast);
    row["prompt_coefficients"] = core::Json::array();
    if (whole) row["logit_coefficients"] = cut.logits(result.by_signal, i);
    json["candidates"].push_back(std::move(row));
  }
  return json;
}

}  // namespace attune::algorithm
