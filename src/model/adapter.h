// Adapters: one file each in model/adapter/. An adapter trains a few tensors beside each frozen linear layer
// that it targets. A file says what these are, how a layer computes with them, how they merge into its
// weight, and how PEFT stores them; Model does everything else (targets, training, merging, saving, resuming)
// from that.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/config/fields.h"
#include "core/json.h"

namespace attune::model {

class Adapter;
class ConfigReader;
struct FamilyInfo;

/// adapter=…
struct AdapterOptions {
  std::string type = "none";  ///< none, or a file of model/adapter/
  std::int64_t rank = 16;
  double alpha = 32, dropout = 0;
  std::vector<std::string>
      target_modules;  ///< suffixes, one regex, or "all-linear"; empty: the adapter's default
  std::vector<std::string> modules_to_save{};  ///< ends of names of modules that are trained in full
  bool rslora = false;
  std::string init = "default";
  /// Options that one kind declares for itself (Adapter::declare), by name.
  std::map<std::string, double> numbers{};
  std::map<std::string, std::vector<std::string>> lists{};
  void declare(core::Fields& fields);
};

struct AdapterInfo {
  std::string name;                  ///< file name: "lora"
  std::string trains;                ///< a few words for help: "low-rank updates"
  std::string summary, paper;        ///< one sentence; "Hu et al. 2021, arXiv:2106.09685"
  std::string peft_type;             ///< of adapter_config.json: "LORA"
  std::vector<std::string> options;  ///< which of AdapterOptions it heeds, besides type and target_modules

  bool heeds(std::string_view option) const;
};

/// One of the tensors that an adapter keeps for each layer.
struct AdapterTensor {
  std::string suffix;  ///< behind the module's path in PEFT's files: ".lora_A.weight"
  bool decay = true;   ///< whether weight decay applies
};

/// A linear layer without its adapter: y = x Wᵀ + b.
struct Affine {
  at::Tensor weight;  ///< [out, in]
  at::Tensor bias;    ///< [out] or undefined
};

/// One layer's adapter: numbers, and the kind that computes with them. Copies share the tensors.
struct LayerAdapter {
  const Adapter* kind = nullptr;
  std::vector<at::Tensor> tensors{};  ///< in the order of kind->tensors()
  double scale = 1;                   ///< what the kind makes of it; LoRA: alpha / rank
  double dropout = 0;                 ///< rate at which the adapter's input is dropped in training

  /// The same numbers, never to change: tensors of their own, no gradient, no dropout.
  LayerAdapter frozen() const;
};

/// The layer that an adapter is made for or read for.
struct AdaptedLayer {
  std::string path;  ///< module path: "model.layers.0.self_attn.q_proj"
  std::int64_t out = 0, in = 0;
  std::string where{};  ///< file of an adapter that is read, for messages
  bool lookup = false;  ///< the embedding: in is the vocabulary, out the width
};

class Adapter {
 public:
  virtual ~Adapter() = default;
  virtual AdapterInfo info() const = 0;
  virtual std::vector<AdapterTensor> tensors() const = 0;
  /// The same for the embedding, seen as a linear layer on one-hot rows; empty: it cannot be adapted.
  virtual std::vector<AdapterTensor> lookup_tensors() const { return {}; }
  /// Adds options that no other kind has: `fields.add("start", options.numbers["start"], "…")`, after setting
  /// the default where there is none yet (try_emplace).
  virtual void declare(core::Fields&, AdapterOptions&) const {}
  /// The layers that get an adapter when the user names none: the family's default unless overridden.
  virtual std::vector<std::string> default_targets(const FamilyInfo& family) const;

  /// An adapter that changes nothing yet (float64; the caller converts). Sets tensors and scale.
  virtual LayerAdapter fresh(const AdapterOptions& options, const AdaptedLayer& layer,
                             std::uint64_t seed) const = 0;
  /// The adapted layer's output [T, out], on the autograd tape.
  /// @param x [T, in]. @param dropped x after dropout; x itself where nothing is dropped.
  virtual at::Tensor forward(const LayerAdapter& adapter, const Affine& plain, const at::Tensor& x,
                             const at::Tensor& dropped) const = 0;
  /// What the adapter of the embedding adds to the rows of `ids` [R]: [R, out]. Called only where there are
  /// lookup_tensors().
  virtual at::Tensor looked_up(const LayerAdapter& adapter, const at::Tensor& ids) const;
  /// Weight [out, in] and bias of a plain layer that computes the same, in the plain layer's type.
  virtual at::Tensor merged_weight(const LayerAdapter& adapter, const Affine& plain) const = 0;
  virtual at::Tensor merged_bias(const LayerAdapter&, const Affine& plain) const { return plain.bias; }

  /// Whether an adapter_config.json describes this kind: its peft_type, unless overridden.
  virtual bool reads(const core::Json& config) const;
  /// Why a tensor of such a file cannot be used, by its name; "" when that is not known.
  virtual std::string refusal(const std::string& tensor) const;
  /// Fills in the kind's own options. @throws Error{kRequest}: wrong values, features that are not there.
  virtual void read_options(const ConfigReader& config, AdapterOptions& options) const = 0;
  /// The kind's own keys of adapter_config.json. @param conv1d the adapted layers are stored transposed
  virtual core::Json write_options(const AdapterOptions& options, bool conv1d) const = 0;
  /// Checks the shapes of an adapter that was read and sets its scale. @throws Error{kRequest}
  virtual void fit(LayerAdapter& adapter, const AdaptedLayer& layer, const ConfigReader& config) const = 0;
};

/// Generated list: file name → adapter.
const std::vector<std::pair<std::string_view, const Adapter* (*)()>>& adapter_entries();
/// @throws Error{kRequest} listing what there is.
const Adapter& adapter_named(std::string_view name);
/// The kind that an adapter_config.json describes. @throws Error{kRequest} listing what there is.
const Adapter& adapter_reading(const core::Json& config, const std::string& where);

}  // namespace attune::model
