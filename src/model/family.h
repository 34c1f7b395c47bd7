// Model families: one file each in model/family/. A family translates config.json and tensor names; the
// transformer itself knows no family.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/json.h"
#include "model/config.h"

namespace attune::model {

/// Where a linear layer or a norm of the transformer lives in the file.
struct FamilyInfo {
  std::string name;  ///< "llama"
  std::vector<std::string>
      model_types;  ///< values of config.json's model_type: {"llama", "mistral", "qwen2"}
  std::string summary, paper;
  std::string body_prefix;                        ///< "model." or "transformer."; may be missing in files
  std::vector<std::string> default_lora_targets;  ///< {"q_proj", "v_proj"}
  /// How transformers' classes of a model_type begin: {"qwen2", "Qwen2"} of Qwen2ForCausalLM.
  std::map<std::string, std::string> class_names{};
  /// Where the head of transformers' token classifiers lies: "classifier" in older ones.
  std::string token_head = "score";
  /// How the names of buffers end that older files hold beside the weights: they are not read, and not
  /// missed.
  std::vector<std::string> buffers{};
};

/// Names of one layer's modules, without prefix "body_prefix + layer path": the tensor name of a linear layer
/// is path + ".weight". `{}` stands for the layer number.
struct TensorNames {
  std::string embedding, positions, final_norm, head;
  std::string input_norm,
      post_norm;  ///< before attention, before the MLP ("": that of attention, parallel blocks)
  std::vector<std::string> qkv;  ///< one fused or three
  std::string output;            ///< attention output projection
  std::vector<std::string> up;   ///< {gate, up}, or one; layers with a plain MLP have the last one
  std::string down;
  std::string q_norm, k_norm;                              ///< "" when absent
  std::string attention_output_norm{}, mlp_output_norm{};  ///< with post_norms
  bool conv1d = false;                                     ///< linear weights are stored [in, out] (GPT-2)
};

class Family {
 public:
  virtual ~Family() = default;
  virtual FamilyInfo info() const = 0;
  /// Translates config.json. Missing keys take the class defaults of transformers; wrong types and impossible
  /// values are an Error{kRequest} naming key and value. `where` is the file for messages.
  virtual ModelConfig configure(const core::Json& config, const std::string& where) const = 0;
  virtual TensorNames names(const ModelConfig& config) const = 0;
};

/// Generated list: file name → family.
const std::vector<std::pair<std::string_view, const Family* (*)()>>& family_entries();

/// The family of a config.json by its model_type. @throws Error{kRequest} listing what is supported.
const Family& family_of(const core::Json& config, const std::string& where);
/// Whether family_of() would find one.
bool knows_family(const core::Json& config);
/// The family that a configuration came from.
const Family& family_with(const ModelConfig& config);

}  // namespace attune::model
