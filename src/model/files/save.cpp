// Writing models and adapters so that transformers and PEFT read them, and reading checkpoints back.
#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <cmath>
#include <filesystem>
#include <map>
#include <set>

#include "core/error.h"
#include "core/files/files.h"
#include "model/model.h"
#include "model/files/peft.h"
#include "model/files/safetensors.h"
#include "model/files/tensor_slots.h"
#include "model/files/weight_loading.h"

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

/// "LlamaForCausalLM" → "LlamaForSequenceClassification".
std::string classifier_name(const core::Json& config) {
  static const std::map<std::string, std::string> kClasses = {
      {"llama", "Llama"}, {"mistral", "Mistral"}, {"qwen2", "Qwen2"}, {"gpt2", "GPT2"}};
  std::string stem;
  const auto architectures = config.find("architectures");
  if (architectures != config.end() && architectures->is_array() && !architectures->empty() &&
      (*architectures)[0].is_string())
    stem = (*architectures)[0].get<std::string>();
  for (const char* suffix : {"ForCausalLM", "LMHeadModel", "Model"})
    if (stem.ends_with(suffix)) stem.resize(stem.size() - std::string_view(suffix).size());
  const auto type = config.find("model_type");
  if (stem.empty() && type != config.end() && type->is_string()) {
    const auto known = kClasses.find(type->get<std::string>());
    if (known != kClasses.end()) stem = known->second;
  }
  return stem + "ForSequenceClassification";
}

std::string base_name(const std::string& path) { return path.substr(path.rfind('.') + 1); }

std::int64_t rank_in(const Lora& lora) { return lora.a.size(0); }

TensorToWrite to_write(std::string name, const at::Tensor& tensor, at::ScalarType dtype) {
  return {std::move(name), dtype, tensor.sizes().vec(), [tensor] { return tensor; }};
}

}  // namespace

std::string Model::config_text(const SavedAs& options) const {
  core::Json json = config_.raw;
  bool changed = folder_.empty();
  if (!options.dtype.empty() && options.dtype != kMemoryDtype && options.dtype != source_dtype_) {
    json[json.contains("dtype") ? "dtype" : "torch_dtype"] = options.dtype;
    changed = true;
  }
  if (weights_.score.weight.defined() && !config_.sequence_classification) {
    json["architectures"] = core::Json::array({classifier_name(json)});
    core::Json labels = core::Json::object(), ids = core::Json::object();
    for (std::int64_t i = 0; i < weights_.score.weight.size(0); ++i) {
      labels[std::to_string(i)] = "LABEL_" + std::to_string(i);
      ids["LABEL_" + std::to_string(i)] = i;
    }
    json["id2label"] = labels;
    json["label2id"] = ids;
    // transformers finds the last real token by the padding id, and refuses batches without one.
    // End-of-sequence is the last resort: it then takes that token for padding.
    const std::int64_t end = config_.eos_ids.empty() ? 0 : config_.eos_ids[0];
    json["pad_token_id"] = config_.pad_id >= 0 ? config_.pad_id : end;
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
  std::map<const at::Tensor*, const Linear*> adapted;
  for_each_linear(weights, [&](const Linear& linear) {
    if (linear.adapter && !linear.adapter_merged) adapted[&linear.weight] = &linear;
  });
  const bool reward_model = weights.score.weight.defined();
  ModelConfig config = config_;
  if (!ties_in_config_)
    config.tie_embeddings = false;  // config.json stays, so both names must be in the file
  if (head_in_adapter_) config.tie_embeddings = false;
  std::vector<TensorToWrite> tensors;
  for (const TensorSlot& slot : tensor_slots(weights, config)) {
    const bool is_head = slot.place == &weights.head.weight || slot.place == &weights.head.bias;
    if (is_head && reward_model) continue;
    const Linear* linear = adapted.contains(slot.place) ? adapted.at(slot.place) : nullptr;
    const at::Tensor value = *slot.place;
    const bool transposed = slot.transposed;
    tensors.push_back({slot.name, type, slot.stored_sizes(), [=] {
                         const at::Tensor now = linear ? linear->merged(Weights::kPolicy) : value;
                         return transposed ? now.t() : now;
                       }});
  }
  if (reward_model) tensors.push_back(to_write(weights.score.path + ".weight", weights.score.weight, type));
  write_weight_files(folder, std::move(tensors), options.shard_bytes);
}

void Model::save_adapter(const std::string& folder) const {
  if (!has_adapter()) core::fail_request("this model has no adapter to save");
  std::vector<TensorToWrite> tensors;
  std::set<std::string> names;
  std::int64_t rank = 0;
  bool conv1d = false;
  for_each_linear(weights_, [&](const Linear& linear) {
    if (!linear.adapter) return;
    const std::string path = kPeftPrefix + linear.path;
    tensors.push_back(to_write(path + ".lora_A.weight", linear.adapter->a, linear.adapter->a.scalar_type()));
    tensors.push_back(to_write(path + ".lora_B.weight", linear.adapter->b, linear.adapter->b.scalar_type()));
    names.insert(base_name(linear.path));
    rank = rank_in(*linear.adapter);
    conv1d = linear.conv1d;
  });
  core::Json saved_modules = core::Json::array();
  for (const Linear* full : {&weights_.score, &weights_.head}) {
    if (full == &weights_.head ? !head_in_adapter_ : !full->weight.defined()) continue;
    tensors.push_back(
        to_write(kPeftPrefix + full->path + ".weight", full->weight, full->weight.scalar_type()));
    saved_modules.push_back(full->path);
  }
  core::Json json = adapter_json_;
  if (json.is_null()) {
    const auto& options = adapter_options_;
    core::Json targets = options.target_modules;
    if (TargetMatcher::is_regex(options.target_modules)) targets = options.target_modules[0];
    if (options.target_modules == std::vector<std::string>{"all-linear"}) targets = names;
    json = {{"peft_type", "LORA"},
            {"task_type", "CAUSAL_LM"},
            {"base_model_name_or_path", name_},
            {"revision", nullptr},
            {"inference_mode", true},
            {"r", rank},
            {"lora_alpha", options.alpha},
            {"lora_dropout", options.dropout},
            {"target_modules", targets},
            {"bias", "none"},
            {"fan_in_fan_out", conv1d},
            {"use_rslora", options.rslora},
            {"use_dora", false},
            {"init_lora_weights", true},
            {"modules_to_save", nullptr},
            {"rank_pattern", core::Json::object()},
            {"alpha_pattern", core::Json::object()},
            {"layers_to_transform", nullptr},
            {"layers_pattern", nullptr}};
    if (options.alpha == std::floor(options.alpha))
      json["lora_alpha"] = static_cast<std::int64_t>(options.alpha);
  }
  if (!saved_modules.empty()) json["modules_to_save"] = saved_modules;
  if (weights_.score.weight.defined()) json["task_type"] = "SEQ_CLS";
  core::ensure_folder(folder);
  write_safetensors(core::join_path(folder, "adapter_model.safetensors"), std::move(tensors));
  core::write_file_atomically(core::join_path(folder, "adapter_config.json"), json.dump(2) + "\n");
}

void Model::save_result(const std::string& folder, const SavedAs& options) const {
  has_adapter() ? save_adapter(folder) : save(folder, options);
}

void Model::restore(const std::string& folder) {
  const c10::NoGradGuard no_grad;
  const bool lora = has_adapter();
  const WeightFiles files(folder, lora ? "adapter_model.safetensors" : "model.safetensors");
  const auto copy = [&](const std::string& name, const at::Tensor& into, bool transposed) {
    const StoredTensor* stored = files.find(name);
    if (!stored)
      core::fail_request("{}: tensor '{}' is missing: this is no checkpoint of the run", files.where(), name);
    const at::Tensor value = stored->load(into.scalar_type());
    const at::Tensor oriented = transposed && value.dim() == 2 ? value.t() : value;
    if (!oriented.sizes().equals(into.sizes()))
      core::fail_request("{}: tensor '{}' has shape {}, the run has {}", files.where(), name,
                         shape_text(stored->shape), shape_text(into.sizes()));
    at::Tensor(into.detach()).copy_(oriented);
  };
  const std::string prefix = lora ? kPeftPrefix : "";
  if (lora) {
    for_each_linear(weights_, [&](Linear& linear) {
      if (!linear.adapter) return;
      copy(prefix + linear.path + ".lora_A.weight", linear.adapter->a, false);
      copy(prefix + linear.path + ".lora_B.weight", linear.adapter->b, false);
    });
    if (head_in_adapter_) copy(prefix + weights_.head.path + ".weight", weights_.head.weight, false);
  } else {
    for (const TensorSlot& slot : tensor_slots(weights_, config_)) {
      const bool is_head = slot.place == &weights_.head.weight || slot.place == &weights_.head.bias;
      if (is_head && weights_.score.weight.defined()) continue;
      copy(slot.name, *slot.place, slot.transposed);
    }
  }
  if (weights_.score.weight.defined())
    copy(prefix + weights_.score.path + ".weight", weights_.score.weight, false);
}

std::uint64_t Model::fingerprint() const {
  std::uint64_t print = core::fingerprint(core::to_line(config_.raw));
  const auto add = [&](const at::Tensor& tensor) {
    if (!tensor.defined()) return;
    const at::Tensor value = tensor.detach().to(at::kCPU).contiguous();
    print = core::fingerprint({static_cast<const char*>(value.const_data_ptr()), value.nbytes()}, print);
  };
  TransformerWeights weights = weights_;
  for (const TensorSlot& slot : tensor_slots(weights, config_)) add(*slot.place);
  for_each_linear(weights, [&](const Linear& linear) {
    if (!linear.adapter) return;
    add(linear.adapter->a);
    add(linear.adapter->b);
    print = core::fingerprint(fmt::format("{}:{}", linear.path, linear.adapter->scale), print);
  });
  add(weights.score.weight);
  return print;
}

}  // namespace attune::model
