// Answers questions about models, one JSON object a line, so that pytest can compare with transformers and
// PEFT.
#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <iostream>

#include "core/error.h"
#include "core/forest.h"
#include "core/json.h"
#include "core/random.h"
#include "model/files/safetensors.h"
#include "model/files/tensor_slots.h"
#include "model/model.h"
#include "model/signal.h"

namespace {

using namespace attune;
using core::Json;

/// The sequences of a request, packed; all of one group unless "groups" says otherwise.
struct Packed {
  std::vector<std::vector<std::int32_t>> ids;
  core::Forest forest;

  Packed(const Json& request, const model::ModelConfig& config) {
    ids = request.at("sequences").get<std::vector<std::vector<std::int32_t>>>();
    std::vector<core::TokenSequence> sequences;
    for (std::size_t i = 0; i < ids.size(); ++i)
      sequences.push_back({ids[i], request.contains("groups") ? request["groups"][i].get<std::int64_t>() : 0,
                           config.table_of(static_cast<std::int64_t>(ids[i].size()))});
    forest = core::build_forest(sequences, request.value("share", true));
  }

  /// Rows that predict token 1, 2, … of every sequence, one sequence after the other.
  model::Readout readout() const {
    std::vector<std::int64_t> rows, targets;
    for (std::size_t i = 0; i < ids.size(); ++i) {
      const auto stream = forest.stream_indices(i);
      for (std::size_t t = 1; t < stream.size(); ++t)
        rows.push_back(stream[t - 1]), targets.push_back(ids[i][t]);
    }
    return {at::tensor(rows), at::tensor(targets)};
  }
};

Json numbers(const at::Tensor& values) {
  const at::Tensor wide = values.detach().to(at::kDouble).contiguous();
  return std::vector<double>(wide.const_data_ptr<double>(), wide.const_data_ptr<double>() + wide.numel());
}

model::Weights side(const Json& request) {
  return request.value("reference", false) ? model::Weights::kReference : model::Weights::kPolicy;
}

/// A list for each row where a row is several numbers.
Json rows_of(const at::Tensor& values) {
  if (values.dim() == 1) return numbers(values);
  Json rows = Json::array();
  for (std::int64_t i = 0; i < values.size(0); ++i) rows.push_back(numbers(values[i]));
  return rows;
}

/// Logits of every token of every sequence: [sequence][token][V].
Json logits(model::Model& model, const Json& request) {
  const Packed packed(request, model.config());
  const at::Tensor hidden = model.hidden(packed.forest, side(request));
  const auto head = request.value("score", false) ? model.named_head("score") : model.head(side(request));
  at::Tensor all = head.adapter
                       ? head.adapter->kind->forward(*head.adapter, {head.weight, head.bias}, hidden, hidden)
                       : at::linear(hidden, head.weight, head.bias);
  if (head.softcap > 0) all = at::tanh(all / head.softcap) * head.softcap;
  Json out = Json::array();
  for (std::size_t i = 0; i < packed.ids.size(); ++i) {
    Json rows = Json::array();
    for (const auto index : packed.forest.stream_indices(i)) rows.push_back(numbers(all[index]));
    out.push_back(rows);
  }
  return out;
}

Json signals(model::Model& model, const Json& request) {
  const Packed packed(request, model.config());
  const model::SignalModel fused{.hidden = model.hidden(packed.forest, side(request)),
                                 .head = model.head(side(request)),
                                 .temperature = request.value("temperature", 1.0),
                                 .heads = model.named_heads()};
  const auto read =
      model::read_signals(fused, packed.readout(), request.at("names").get<std::vector<std::string>>());
  Json out = Json::object();
  for (const auto& [name, values] : read) out[name] = rows_of(values);
  return out;
}

/// Gradients of Σ w_r log p_r with w_r = cos(r): writes them to "output" as safetensors, in the file's
/// orientation.
Json gradients(model::Model& model, const Json& request) {
  const auto parameters = model.trainable();
  const Packed packed(request, model.config());
  const at::Tensor hidden = model.hidden(packed.forest);
  const model::Readout readout = packed.readout();
  const at::Tensor upstream = at::arange(readout.rows.size(0), hidden.options().requires_grad(false)).cos();
  const model::SignalModel fused{.hidden = hidden, .head = model.head()};
  const auto logps = model::read_signals(fused, readout, {"logps"}).at("logps");
  hidden.backward(model::backward_signals(fused, readout, {{"logps", upstream}}));
  std::vector<model::TensorToWrite> out;
  model::TransformerWeights& weights = model.weights();
  for (const auto& parameter : parameters) {
    bool transposed = false;
    for (const auto& slot : model::tensor_slots(weights, model.config()))
      if (slot.name == parameter.name) transposed = slot.transposed;
    at::Tensor value =
        parameter.tensor.grad().defined() ? parameter.tensor.grad() : at::zeros_like(parameter.tensor);
    if (transposed) value = value.t().contiguous();
    out.push_back({parameter.name, value.scalar_type(), value.sizes().vec(), [value] { return value; }});
  }
  model::write_safetensors(request.at("output"), std::move(out));
  return {{"loss", (logps * upstream).sum().item<double>()}, {"tokens", packed.forest.size()}};
}

/// B starts at zero: random numbers make a fresh adapter matter.
void randomize(model::Model& model, std::uint64_t seed) {
  std::uint64_t record = 0;
  model::for_each_adaptable(model.weights(), [&](model::Linear& linear) {
    if (!linear.adapter) return;
    // of the embedding it is A that starts at zero
    const at::Tensor& b = linear.lookup ? linear.adapter->tensors.front() : linear.adapter->tensors.back();
    const at::Tensor values = at::empty(b.sizes(), at::kDouble);
    for (std::int64_t i = 0; i < values.numel(); ++i)
      values.mutable_data_ptr<double>()[i] =
          0.1 * core::normal({.seed = seed, .record = record, .token = static_cast<std::uint64_t>(i)});
    b.copy_(values);
    ++record;
  });
}

Json answer(const Json& request) {
  model::ModelOptions options;
  options.path = request.at("model");
  options.dtype = request.value("dtype", "float32");
  options.adapter = request.value("adapter", "");
  for (const auto& [name, head] : model::known_heads()) options.heads.insert(name);
  model::Model model = model::Model::load(options);
  if (request.contains("lora")) {
    const Json& lora = request["lora"];
    model::AdapterOptions adapter;
    adapter.type = "lora";
    adapter.rank = lora.value("rank", 4);
    adapter.alpha = lora.value("alpha", 8.0);
    adapter.rslora = lora.value("rslora", false);
    adapter.modules_to_save = lora.value("save", std::vector<std::string>{});
    adapter.target_modules = lora.value("targets", std::vector<std::string>{});
    model.add_adapter(adapter, 7);
    randomize(model, 11);
    if (!adapter.modules_to_save.empty())
      for (const auto& parameter : model.trainable()) at::Tensor(parameter.tensor.detach()).mul_(1.25);
  }
  if (request.value("add_score", false)) model.add_head("score", 5);
  if (request.contains("add_value")) model.add_head("value", 5, request["add_value"].get<std::int64_t>());
  if (request.value("merge", false)) model.merge_adapter();
  if (request.value("unmerge", false)) model.unmerge_adapter();
  const std::string op = request.at("op");
  const c10::AutoGradMode mode(op == "gradients");
  Json out = Json::object();
  if (op == "logits") out["logits"] = logits(model, request);
  if (op == "signals") out = signals(model, request);
  if (op == "gradients") out = gradients(model, request);
  if (op == "save")
    model.save(request.at("output"),
               {.dtype = request.value("save_dtype", ""),
                .shard_bytes = request.value("shard_bytes", std::int64_t{5'000'000'000})});
  if (op == "save_adapter") model.save_adapter(request.at("output"));
  if (op == "fingerprint") out["fingerprint"] = std::to_string(model.fingerprint());
  return out;
}

}  // namespace

int main() {
  std::string line;
  while (std::getline(std::cin, line)) {
    core::Json out;
    try {
      out = answer(core::parse_json(line, "request"));
    } catch (const core::Error& error) {
      out = {{"error", error.what()}, {"exit_code", error.exit_code()}};
    } catch (const std::exception& error) {
      out = {{"crash", error.what()}};
    }
    std::cout << core::to_line(out) << std::endl;
  }
}
