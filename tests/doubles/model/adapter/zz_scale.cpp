// A double that uses all of the adapter's seam: y = s ⊙ (W x + b), with one trained number for each output.
// Not low-rank, changes the bias when merged, and has an option, targets and files of its own.
#include <ATen/ATen.h>

#include "core/error.h"
#include "model/adapter.h"
#include "model/config_reader.h"
#include "model/family.h"
#include "model/files/safetensors.h"

namespace attune::model {
namespace {

double start_of(const AdapterOptions& options) {
  const auto found = options.numbers.find("start");
  return found == options.numbers.end() ? 1 : found->second;
}

class ZzScale final : public Adapter {
 public:
  AdapterInfo info() const override {
    return {.name = "zz_scale",
            .trains = "a factor for each output",
            .summary = "One trained factor for each output of a linear layer.",
            .paper = "",
            .peft_type = "ZZ_SCALE",
            .options = {"dropout", "start"}};
  }
  std::vector<AdapterTensor> tensors() const override { return {{".zz_scale", /*decay=*/false}}; }
  void declare(core::Fields& fields, AdapterOptions& options) const override {
    fields.add("start", options.numbers.try_emplace("start", 1).first->second, "Where the factors start.");
  }
  /// The last of the family's default targets only.
  std::vector<std::string> default_targets(const FamilyInfo& family) const override {
    return {family.default_lora_targets.back()};
  }

  LayerAdapter fresh(const AdapterOptions& options, const AdaptedLayer& layer, std::uint64_t) const override {
    return {this, {at::full({layer.out}, start_of(options), at::kDouble)}};
  }
  at::Tensor forward(const LayerAdapter& adapter, const Affine& plain, const at::Tensor&,
                     const at::Tensor& dropped) const override {
    return at::linear(dropped, plain.weight, plain.bias) * adapter.tensors[0].to(dropped.scalar_type());
  }
  at::Tensor merged_weight(const LayerAdapter& adapter, const Affine& plain) const override {
    return (plain.weight * adapter.tensors[0].unsqueeze(1)).to(plain.weight.scalar_type());
  }
  at::Tensor merged_bias(const LayerAdapter& adapter, const Affine& plain) const override {
    if (!plain.bias.defined()) return plain.bias;
    return (plain.bias * adapter.tensors[0]).to(plain.bias.scalar_type());
  }

  std::string refusal(const std::string& tensor) const override {
    return tensor.ends_with(".zz_shift") ? "shifts are not supported" : "";
  }
  void read_options(const ConfigReader& config, AdapterOptions& options) const override {
    options.numbers["start"] = config.number("zz_start", 1);
  }
  core::Json write_options(const AdapterOptions& options, bool) const override {
    return {{"zz_start", start_of(options)}};
  }
  void fit(LayerAdapter& adapter, const AdaptedLayer& layer, const ConfigReader&) const override {
    const auto sizes = adapter.tensors[0].sizes();
    if (sizes.size() != 1 || sizes[0] != layer.out)
      core::fail_request("{}: module '{}': {} factors for {} outputs", layer.where, layer.path,
                         shape_text(sizes), layer.out);
  }
};

}  // namespace

const Adapter* adapter_zz_scale() {
  static const ZzScale adapter;
  return &adapter;
}

}  // namespace attune::model
