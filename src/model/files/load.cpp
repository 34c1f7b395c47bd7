// Model::load and Model::random.
#include <ATen/ATen.h>

#include <filesystem>

#include "core/error.h"
#include "core/files/files.h"
#include "core/warning.h"
#include "model/files/peft.h"
#include "model/files/safetensors.h"
#include "model/files/tensor_slots.h"
#include "model/files/weight_loading.h"
#include "model/model.h"
#include "net/hub.h"

namespace attune::model {
namespace {

namespace fs = std::filesystem;

ModelConfig configure(const core::Json& json, const std::string& where) {
  const Family& family = family_of(json, where);
  ModelConfig config = family.configure(json, where);
  const auto architectures = json.find("architectures");
  if (architectures != json.end() && architectures->is_array())
    for (const auto& name : *architectures)
      for (const char* classifier : {kSequenceClassifier, kTokenClassifier})
        if (name.is_string() && name.get<std::string>().ends_with(classifier)) config.classifier = classifier;
  return config;
}

}  // namespace

void ModelOptions::declare(core::Fields& fields) {
  fields.add("path", path, "Hugging Face folder, hub name (org/name[@revision]) or PEFT adapter folder.");
  fields.add("dtype", dtype, "Type of arithmetic and of the weights in memory, whatever the file's.")
      .one_of({"float32", "bfloat16", "float16", "float64"});
  fields.add("adapter", adapter, "PEFT adapter folder to load onto the model.");
  fields.add("base", base,
             "Base model of an adapter folder, instead of the one that adapter_config.json names.");
}

/// The folders that a `model` setting means: the base, the adapter ("" for none), and the base's name as
/// given.
Model::Place Model::locate(const ModelOptions& options) {
  Place place{net::resolve_model_folder(options.path), options.adapter, options.path};
  if (!fs::exists(core::join_path(place.folder, "config.json")) &&
      fs::exists(core::join_path(place.folder, "adapter_config.json"))) {
    if (!place.adapter.empty())
      core::fail_request("{}: is an adapter itself; model.adapter={} cannot be put on top of it",
                         options.path, place.adapter);
    place.adapter = place.folder;
    place.name = options.base.empty() ? base_of_adapter(place.folder) : options.base;
    place.folder = net::resolve_model_folder(place.name);
  }
  if (!fs::exists(core::join_path(place.folder, "config.json")))
    core::fail_request("{}: no config.json here: this is no Hugging Face model folder", place.folder);
  return place;
}

ModelConfig Model::peek_config(const ModelOptions& options) {
  const std::string path = core::join_path(locate(options).folder, "config.json");
  return configure(core::read_json_file(path), path);
}

std::optional<AdapterOptions> Model::peek_adapter(const ModelOptions& options) {
  const Place place = locate(options);
  if (place.adapter.empty()) return std::nullopt;
  return adapter_options_of(net::resolve_model_folder(place.adapter));
}

Model Model::load(const ModelOptions& options, std::span<const LoadReport> said) {
  Model model = read(options, Reading::kWhole);
  for (const std::string& text : model.load_report_.warnings_besides(said)) core::warn(text);
  return model;
}

LoadReport Model::peek_load(const ModelOptions& options) {
  return read(options, Reading::kLook).load_report_;
}

Model Model::read(const ModelOptions& options, Reading reading) {
  const Place place = locate(options);
  const std::string path = core::join_path(place.folder, "config.json");
  Model model;
  model.folder_ = place.folder;
  model.name_ = place.name;
  model.config_ = configure(core::read_json_file(path), path);
  model.ties_in_config_ = model.config_.tie_embeddings;
  model.read_weights(WeightFiles(place.folder, "model.safetensors"), options, reading);
  if (!place.adapter.empty()) model.read_adapter(net::resolve_model_folder(place.adapter), options.heads);
  return model;
}

void Model::read_weights(const WeightFiles& files, const ModelOptions& options, Reading reading) {
  const std::string config_path = core::join_path(folder_, "config.json");
  const auto dtype = scalar_type_from_setting(options.dtype);
  weights_ = make_skeleton(config_, family_with(config_));
  const WeightPlan plan = plan_weights(weights_, config_, files, config_path, options.heads);
  const auto fill = reading == Reading::kWhole ? load_slot : look_at_slot;
  for (const auto& [slot, stored] : plan.entries) {
    *slot.place = fill(*stored, slot, config_, config_path, dtype);
    if (source_dtype_.empty()) source_dtype_ = setting_of(*scalar_type_of(stored->dtype));
  }
  if (config_.tie_embeddings && !config_.is_classifier()) weights_.head.weight = weights_.embedding;
  read_heads(files, plan.heads, dtype);
  scores_tokens_ = config_.classifier == kTokenClassifier;
  load_report_ = plan.report;
  load_report_.folder = folder_;
}

void Model::read_heads(const WeightFiles& files, const std::set<std::string>& names, at::ScalarType dtype) {
  for (const std::string& name : names) {
    Linear& head = weights_.named_heads.at(name);
    const StoredTensor *weight = files.find(head.path + ".weight"), *bias = files.find(head.path + ".bias");
    if (weight) head.weight = load_head_weight(*weight, config_, dtype);
    if (bias) head.bias = bias->load(dtype);
  }
  check_head_biases(weights_, files.where());
}

Model Model::random(const core::Json& config, std::uint64_t seed, const std::string& dtype) {
  Model model;
  model.config_ = configure(config, "config");
  model.ties_in_config_ = model.config_.tie_embeddings;
  model.source_dtype_ = dtype;
  model.weights_ = make_skeleton(model.config_, family_with(model.config_));
  const auto options = at::TensorOptions().dtype(scalar_type_from_setting(dtype));
  std::uint64_t record = 0;
  for (const TensorSlot& slot : tensor_slots(model.weights_, model.config_)) {
    *slot.place = at::zeros(slot.sizes(), options);
    if (slot.kind == TensorSlot::Kind::kNorm && !model.config_.norm_plus_one) slot.place->fill_(1);
    if (slot.kind == TensorSlot::Kind::kEmbedding || slot.kind == TensorSlot::Kind::kWeight)
      fill_normal(*slot.place, 0.02, seed, record);
    ++record;
  }
  auto& weights = model.weights_;
  if (model.config_.tie_embeddings && !model.config_.is_classifier()) weights.head.weight = weights.embedding;
  if (model.config_.is_classifier()) model.add_head("score", seed);
  if (model.config_.classifier == kTokenClassifier) model.score_tokens();
  return model;
}

}  // namespace attune::model
