// Writing models and adapters so that transformers and PEFT read them.
#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <filesystem>
#include <functional>
#include <set>
#include <utility>

#include "core/error.h"
#include "core/files/files.h"
#include "model/files/peft.h"
#include "model/files/safetensors.h"
#include "model/files/tensor_slots.h"
#include "model/model.h"

namespace attune::model {
namespace {

namespace fs = std::filesystem;

/// Files that belong to the text side of a folder and are kept byte for byte.
bool is_companion(const std::string& name) {
  for (const char* prefix :
       {"tokenizer", "chat_template", "special_tokens_map", "generation_config", "added_tokens", "vocab.",
        "merges.txt", "spiece", "sentencepiece", "preprocessor_config", "processor_config"})
    if (name.rfind(prefix, 0) == 0) return true;
  return false;
}

void copy_companions(const std::string& from, const std::string& to) {
  for (const auto& entry : fs::directory_iterator(from)) {
    const std::string name = entry.path().filename().string();
    if (entry.is_regular_file() && is_companion(name))
      core::write_file_atomically(core::join_path(to, name), core::read_file(entry.path().string()));
  }
  const std::string templates = core::join_path(from, "additional_chat_templates");
  if (!fs::is_directory(templates)) return;
  core::ensure_folder(core::join_path(to, "additional_chat_templates"));
  for (const auto& entry : fs::directory_iterator(templates))
    if (entry.is_regular_file())
      core::write_file_atomically(
          core::join_path(to, "additional_chat_templates/" + entry.path().filename().string()),
          core::read_file(entry.path().string()));
}

/// "LlamaForCausalLM" → "Llama" + kind; a config.json that names no class has its family's.
std::string classifier_name(const core::Json& config, const FamilyInfo& family, const char* kind) {
  std::string stem;
  const auto architectures = config.find("architectures");
  if (architectures != config.end() && architectures->is_array() && !architectures->empty() &&
      (*architectures)[0].is_string())
    stem = (*architectures)[0].get<std::string>();
  for (const char* suffix : {"ForCausalLM", "LMHeadModel", "Model", kSequenceClassifier, kTokenClassifier})
    if (stem.ends_with(suffix)) stem.resize(stem.size() - std::string_view(suffix).size());
  const auto named = family.class_names.find(config.value("model_type", ""));
  if (stem.empty() && named != family.class_names.end()) stem = named->second;
  return stem + kind;
}

TensorToWrite to_write(std::string name, const at::Tensor& tensor, at::ScalarType dtype) {
  return {std::move(name), dtype, tensor.sizes().vec(), [tensor] { return tensor; }};
}

}  // namespace

/// Whether an adapter makes two tensors of a tied embedding and head.
bool Model::parts_head_and_embedding() const {
  return weights_.lookup.adapter || weights_.head.adapter || saved_modules_.contains(weights_.head.path) ||
         saved_modules_.contains(weights_.embedding_path);
}

std::string Model::config_text(const SavedAs& options) const {
  core::Json json = config_.raw;
  bool changed = folder_.empty();
  if (!options.dtype.empty() && options.dtype != kMemoryDtype && options.dtype != source_dtype_) {
    json[json.contains("dtype") ? "dtype" : "torch_dtype"] = options.dtype;
    changed = true;
  }
  if (ties_in_config_ && !is_reward_model() && parts_head_and_embedding()) {
    json[config_.keys.tie] = false;
    changed = true;
  }
  const char* kind = scores_tokens_ ? kTokenClassifier : kSequenceClassifier;
  if (is_reward_model() && config_.classifier != kind) {
    json["architectures"] = core::Json::array({classifier_name(json, family_with(config_).info(), kind)});
    core::Json labels = core::Json::object(), ids = core::Json::object();
    for (std::int64_t i = 0; i < named_head("score").weight.size(0); ++i) {
      labels[std::to_string(i)] = "LABEL_" + std::to_string(i);
      ids["LABEL_" + std::to_string(i)] = i;
    }
    json["id2label"] = labels;
    json["label2id"] = ids;
    // transformers finds the token that it scores by the padding id, and refuses batches without one
    if (config_.pad_id >= 0) json["pad_token_id"] = config_.pad_id;
    changed = true;
  }
  if (!changed) return core::read_file(core::join_path(folder_, "config.json"));
  return json.dump(2) + "\n";
}

void Model::save(const std::string& folder, const SavedAs& options) const {
  const c10::NoGradGuard no_grad;
  const bool exact = options.dtype == kMemoryDtype;
  const auto type =
      exact ? dtype() : scalar_type_from_setting(options.dtype.empty() ? source_dtype_ : options.dtype);
  core::ensure_folder(folder);
  core::write_file_atomically(core::join_path(folder, "config.json"), config_text(options));
  if (!folder_.empty()) copy_companions(folder_, folder);
  TransformerWeights weights = weights_;  // tensors are shared, not copied
  const auto effects = adapter_effects(weights);
  ModelConfig config = config_;
  // config.json stays, so both names must be in the file
  if (!ties_in_config_ || parts_head_and_embedding()) config.tie_embeddings = false;
  std::vector<TensorToWrite> tensors;
  for (const TensorSlot& slot : tensor_slots(weights, config)) {
    const bool is_head = slot.place == &weights.head.weight || slot.place == &weights.head.bias;
    if (is_head && is_reward_model()) continue;
    const auto effect = effects.find(slot.place);
    const at::Tensor value = *slot.place;
    const std::function<at::Tensor()> get =
        effect != effects.end() ? effect->second : [value] { return value; };
    const bool transposed = slot.transposed;
    tensors.push_back(
        {slot.name, type, slot.stored_sizes(), [get, transposed] { return transposed ? get().t() : get(); }});
  }
  for (const auto& [name, tensor] : head_tensors(weights)) tensors.push_back(to_write(name, tensor, type));
  write_weight_files(folder, std::move(tensors), options.shard_bytes);
}

/// Every tensor of the adapter's file, by its name there: the adapters, then whole modules that are trained
/// with them.
std::vector<std::pair<std::string, at::Tensor>> Model::adapter_tensors() const {
  std::vector<std::pair<std::string, at::Tensor>> tensors;
  for_each_adaptable(weights_, [&](const Linear& linear) {
    if (!linear.adapter) return;
    const auto parts = linear.adapter_parts(*linear.adapter->kind);
    for (std::size_t i = 0; i < parts.size(); ++i)
      tensors.emplace_back(kPeftPrefix + linear.path + parts[i].suffix, linear.adapter->tensors[i]);
  });
  for (const auto& [name, tensor] : head_tensors(weights_)) tensors.emplace_back(kPeftPrefix + name, tensor);
  TransformerWeights weights = weights_;  // tensors are shared, not copied
  for (const TensorSlot& slot : tensor_slots(weights, config_))
    if (saved_modules_.contains(slot.name.substr(0, slot.name.rfind('.'))))
      tensors.emplace_back(kPeftPrefix + slot.name, slot.transposed ? slot.place->t() : *slot.place);
  return tensors;
}

core::Json Model::adapter_json() const {
  core::Json json = adapter_json_;
  if (json.is_null()) {
    std::set<std::string> modules;
    bool conv1d = false;
    for_each_linear(weights_, [&](const Linear& linear) {
      if (!linear.adapter) return;
      modules.insert(linear.path.substr(linear.path.rfind('.') + 1));
      conv1d = linear.conv1d;
    });
    json = adapter_config_json(adapter_options_, {modules.begin(), modules.end()}, conv1d);
  }
  json["base_model_name_or_path"] =
      fs::is_directory(name_) ? fs::absolute(name_).lexically_normal().string() : name_;
  // PEFT looks these up in the base model, where transformers' classes have a score and an output head; it
  // passes over the tensors of other heads.
  std::set<std::string> saved_modules;
  if (const auto named = json.find("modules_to_save"); named != json.end() && named->is_array())
    saved_modules = named->get<std::set<std::string>>();
  if (saved_modules.empty()) saved_modules = saved_modules_;
  if (is_reward_model()) saved_modules.insert(weights_.named_heads.at("score").path);
  if (!saved_modules.empty()) json["modules_to_save"] = saved_modules;
  if (is_reward_model()) json["task_type"] = scores_tokens_ ? "TOKEN_CLS" : "SEQ_CLS";
  return json;
}

void Model::save_adapter(const std::string& folder) const {
  if (!has_adapter()) core::fail_request("this model has no adapter to save");
  std::vector<TensorToWrite> tensors;
  for (const auto& [name, tensor] : adapter_tensors())
    tensors.push_back(to_write(name, tensor, tensor.scalar_type()));
  core::ensure_folder(folder);
  write_safetensors(core::join_path(folder, "adapter_model.safetensors"), std::move(tensors),
                    base_notes(folder, folder_));
  core::write_file_atomically(core::join_path(folder, "adapter_config.json"), adapter_json().dump(2) + "\n");
}

void Model::keep_beside(const std::string& file, std::string content) { beside_[file] = std::move(content); }

void Model::save_result(const std::string& folder, const SavedAs& options) const {
  has_adapter() ? save_adapter(folder) : save(folder, options);
  for (const auto& [file, content] : beside_)
    core::write_file_atomically(core::join_path(folder, file), content);
}

}  // namespace attune::model
