// LoRA: W' = W + s B A, with A [rank, in] and B [out, rank] (Hu et al. 2021, arXiv:2106.09685).
#include <ATen/ATen.h>

#include <cmath>

#include "core/error.h"
#include "core/files/files.h"
#include "core/random.h"
#include "model/adapter.h"
#include "model/adapter_targets.h"
#include "model/config_reader.h"
#include "model/files/safetensors.h"

namespace attune::model {
namespace {

constexpr std::size_t kA = 0, kB = 1;  // places in LayerAdapter::tensors

double lora_scale(double alpha, std::int64_t rank, bool rslora) {
  const auto size = static_cast<double>(rank);
  return alpha / (rslora ? std::sqrt(size) : size);
}

std::int64_t config_rank(const ConfigReader& config) { return config.integer("r", 8, 1, 1 << 20); }
double config_alpha(const ConfigReader& config) { return config.number("lora_alpha", 8); }
bool config_rslora(const ConfigReader& config) { return config.boolean("use_rslora", false); }

class LowRank final : public Adapter {
 public:
  AdapterInfo info() const override {
    return {.name = "lora",
            .trains = "low-rank updates",
            .summary = "Low-rank updates beside frozen linear layers, written as PEFT writes them.",
            .paper = "Hu et al. 2021, arXiv:2106.09685",
            .peft_type = "LORA",
            .options = {"rank", "alpha", "dropout", "rslora", "init"}};
  }
  std::vector<AdapterTensor> tensors() const override { return {{".lora_A.weight"}, {".lora_B.weight"}}; }

  std::vector<AdapterTensor> lookup_tensors() const override {
    return {{".lora_embedding_A"}, {".lora_embedding_B"}};
  }

  /// A is Kaiming-uniform with a = sqrt(5), as PEFT has it: uniform in ±1/sqrt(in); "gaussian": normal(0,
  /// 1/rank). B is zero. Of the embedding A is zero and B normal(0, 1), as PEFT has it.
  LayerAdapter fresh(const AdapterOptions& options, const AdaptedLayer& layer,
                     std::uint64_t seed) const override {
    if (layer.lookup) return fresh_lookup(options, layer, seed);
    at::Tensor a = at::empty({options.rank, layer.in}, at::kDouble);
    double* data = a.mutable_data_ptr<double>();
    const double bound = 1 / std::sqrt(static_cast<double>(layer.in));
    for (std::int64_t i = 0; i < a.numel(); ++i) {
      const core::RandomKey key{.seed = seed,
                                .purpose = core::Purpose::kInit,
                                .record = core::fingerprint(layer.path),
                                .token = static_cast<std::uint64_t>(i)};
      data[i] = options.init == "gaussian" ? core::normal(key) / static_cast<double>(options.rank)
                                           : bound * (2 * core::uniform(key) - 1);
    }
    return {this,
            {a, at::zeros({layer.out, options.rank}, at::kDouble)},
            lora_scale(options.alpha, options.rank, options.rslora),
            options.dropout};
  }

  at::Tensor forward(const LayerAdapter& adapter, const Affine& plain, const at::Tensor& x,
                     const at::Tensor& dropped) const override {
    const at::Tensor a = adapter.tensors[kA].to(x.scalar_type()), b = adapter.tensors[kB].to(x.scalar_type());
    return at::linear(x, plain.weight, plain.bias) + at::linear(at::linear(dropped, a), b).mul(adapter.scale);
  }

  /// The product in float32 (float64 for float64 models), rounded once.
  at::Tensor merged_weight(const LayerAdapter& adapter, const Affine& plain) const override {
    const at::Tensor &a = adapter.tensors[kA], &b = adapter.tensors[kB];
    const auto wide = a.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
    const at::Tensor update = at::matmul(b.to(wide), a.to(wide)).mul(adapter.scale);
    return (plain.weight.to(wide) + update).to(plain.weight.scalar_type());
  }

  at::Tensor looked_up(const LayerAdapter& adapter, const at::Tensor& ids) const override {
    const at::Tensor rows = at::embedding(adapter.tensors[kA].t(), ids);
    return at::linear(rows, adapter.tensors[kB]).mul(adapter.scale);
  }

  std::string refusal(const std::string& tensor) const override {
    if (tensor.find(".lora_magnitude_vector") != std::string::npos) return "DoRA adapters are not supported";
    return tensor.ends_with(".lora_B.bias") ? "adapters with lora_bias are not supported" : "";
  }

  void read_options(const ConfigReader& config, AdapterOptions& options) const override {
    if (config.boolean("use_dora", false))
      core::fail_request("{}: use_dora is true: DoRA adapters are not supported; merge it with PEFT first",
                         config.where());
    if (const auto bias = config.text("bias", "none"); bias != "none")
      core::fail_request("{}: bias is '{}': adapters that train biases are not supported", config.where(),
                         bias);
    options.rank = config_rank(config);
    options.alpha = config_alpha(config);
    options.rslora = config_rslora(config);
  }

  core::Json write_options(const AdapterOptions& options, bool conv1d) const override {
    core::Json json = {{"r", options.rank},
                       {"lora_alpha", options.alpha},
                       {"lora_dropout", options.dropout},
                       {"bias", "none"},
                       {"fan_in_fan_out", conv1d},
                       {"use_rslora", options.rslora},
                       {"use_dora", false},
                       {"init_lora_weights", true},
                       {"rank_pattern", core::Json::object()},
                       {"alpha_pattern", core::Json::object()},
                       {"layers_to_transform", nullptr},
                       {"layers_pattern", nullptr}};
    if (options.alpha == std::floor(options.alpha))
      json["lora_alpha"] = static_cast<std::int64_t>(options.alpha);
    return json;
  }

  void fit(LayerAdapter& adapter, const AdaptedLayer& layer, const ConfigReader& config) const override {
    const auto a = adapter.tensors[kA].sizes(), b = adapter.tensors[kB].sizes();
    if (a.size() != 2 || b.size() != 2 || a[0] != b[1])
      core::fail_request("{}: module '{}': lora_A {} and lora_B {} do not fit together", layer.where,
                         layer.path, shape_text(a), shape_text(b));
    const core::Json* own_rank = pattern_value(config, "rank_pattern", layer.path);
    const core::Json* own_alpha = pattern_value(config, "alpha_pattern", layer.path);
    const auto rank =
        own_rank && own_rank->is_number_integer() ? own_rank->get<std::int64_t>() : config_rank(config);
    if (a[0] != rank)
      core::fail_request("{}: module '{}': lora_A has rank {}, adapter_config.json says r = {}", layer.where,
                         layer.path, a[0], rank);
    if (a[1] != layer.in || b[0] != layer.out)
      core::fail_request(
          "{}: module '{}': lora_A {} and lora_B {} do not fit its weight [{}, {}]: is this the adapter of "
          "another model?",
          layer.where, layer.path, shape_text(a), shape_text(b), layer.out, layer.in);
    const double alpha =
        own_alpha && own_alpha->is_number() ? own_alpha->get<double>() : config_alpha(config);
    adapter.scale = lora_scale(alpha, rank, config_rslora(config));
  }

 private:
  LayerAdapter fresh_lookup(const AdapterOptions& options, const AdaptedLayer& layer,
                            std::uint64_t seed) const {
    at::Tensor b = at::empty({layer.out, options.rank}, at::kDouble);
    double* data = b.mutable_data_ptr<double>();
    for (std::int64_t i = 0; i < b.numel(); ++i)
      data[i] = core::normal({.seed = seed,
                              .purpose = core::Purpose::kInit,
                              .record = core::fingerprint(layer.path),
                              .token = static_cast<std::uint64_t>(i)});
    return {this,
            {at::zeros({options.rank, layer.in}, at::kDouble), b},
            lora_scale(options.alpha, options.rank, options.rslora),
            options.dropout};
  }
};

}  // namespace

const Adapter* adapter_lora() {
  static const LowRank adapter;
  return &adapter;
}

}  // namespace attune::model
