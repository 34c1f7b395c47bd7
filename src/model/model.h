// A model with its folder: loading, adapters, trainable parameters, saving so that transformers and PEFT read
// it.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/config/fields.h"
#include "model/adapter.h"
#include "model/family.h"
#include "model/files/load_report.h"
#include "model/transformer.h"

namespace attune::model {

class WeightFiles;
struct StoredTensor;

/// model=…: a path, or a map of path and options.
struct ModelOptions {
  std::string path;
  std::string dtype =
      "float32";  ///< arithmetic and storage in memory: float32, bfloat16, float16; float64 for tests
  std::string adapter{}, base{};
  /// Named heads that the caller reads (known_heads()); no setting. Others that lie beside a language model's
  /// tensors, or an adapter's of one, are left out, and named in the load report. A classifier's own head is read
  /// in any case, as is that of an adapter which says that it makes one.
  std::set<std::string> heads{};
  void declare(core::Fields& fields);
};

/// A tensor that can be trained.
struct Parameter {
  std::string name;   ///< as in the file that save() writes
  at::Tensor tensor;  ///< leaf; requires grad when trained
  bool decay = true;  ///< false for norms and biases, as transformers does
};

/// How save() writes.
struct SavedAs {
  std::string
      dtype;  ///< "float32", "bfloat16" …; "" = the source's dtype; kMemoryDtype: as computed with, exact
  std::int64_t shard_bytes = 5'000'000'000;
};
inline constexpr const char* kMemoryDtype = "memory";

class Model {
 public:
  /// A Hugging Face folder, or a PEFT adapter folder (its base is read too). Weights are mapped, then
  /// converted.
  /// @throws Error{kRequest}: no such file, truncated or lying safetensors, shapes that contradict
  /// config.json (names key and tensor), NaN weights (names the tensor).
  /// @param said what was loaded before, whose warnings are not said again
  static Model load(const ModelOptions& options, std::span<const LoadReport> said = {});
  /// Only the configuration, without reading weights. @throws Error{kRequest} as load() does.
  static ModelConfig peek_config(const ModelOptions& options);
  /// What adapter a folder brings along, none for a folder of whole weights. @throws Error{kRequest} as
  /// load() does.
  static std::optional<AdapterOptions> peek_adapter(const ModelOptions& options);
  /// What loading would do: everything that it reads is looked at, and of the base's weights nothing is kept,
  /// so that it takes little memory. @throws Error{kRequest} as load() does.
  static LoadReport peek_load(const ModelOptions& options);
  /// @throws Error{kRequest} when target_modules or modules_to_save match nothing of such a model (lists what
  /// there is), and for a layer that cannot be adapted.
  static void require_targets(const ModelConfig& config, const AdapterOptions& options);
  /// The names of what trainable() would give for such a model. @param heads its named heads
  static std::vector<std::string> trainable_names(const ModelConfig& config, const AdapterOptions& adapter,
                                                  const std::set<std::string>& heads);
  /// Numbers in the weights of such a model, without named heads.
  static std::int64_t count_weights(const ModelConfig& config);
  /// A model with random weights (tests, benches): normal(0, 0.02), norms one.
  static Model random(const core::Json& config, std::uint64_t seed, const std::string& dtype = "float32");

  const ModelConfig& config() const { return config_; }
  ModelConfig& mutable_config() {
    return config_;
  }  ///< for tests and conversions; shapes must stay as they are
  const TransformerWeights& weights() const { return weights_; }
  TransformerWeights& weights() { return weights_; }
  /// What loading did; its warnings have been said. Empty of a model that was not loaded.
  const LoadReport& load_report() const { return load_report_; }
  const std::string& folder() const { return folder_; }  ///< of the base model; tokenizer files are here
  bool has_adapter() const;
  at::ScalarType dtype() const { return weights_.embedding.scalar_type(); }

  /// Adds a fresh adapter, which changes nothing yet, and freezes everything else. With an adapter already
  /// loaded the run continues it and its present state is frozen as the reference.
  /// @throws Error{kRequest} when target_modules match no linear layer (lists what there is).
  void add_adapter(const AdapterOptions& options, std::uint64_t seed);
  /// Gives the model a named head (known_heads()) if it has none, trained along: weight normal(0, 0.02), bias
  /// zero. A model with a `score` head is a reward model: it is saved as a sequence classifier, without its
  /// output head. A `value` head lies beside the language model's tensors in the same file.
  /// @param outputs numbers per row. @param pad_id the tokenizer's padding, -1: none. A score is read at the
  /// last token that is not padding (ModelConfig::scored_token); where config.json names no padding id, a
  /// saved classifier needs one: this one, else end-of-sequence. An adapter's folder cannot say one: its base
  /// counts.
  /// @throws Error{kRequest} when it has one with another number of outputs.
  void add_head(const std::string& name, std::uint64_t seed, std::int64_t outputs = 1,
                std::int64_t pad_id = -1);
  /// Says of a reward model that its score is read at tokens of its text rather than at the last one: it is
  /// saved as a token classifier, whose head has a bias.
  void score_tokens();
  bool scores_tokens() const { return scores_tokens_; }
  /// Marks what is trained: adapter (and named heads) or everything. Returns the trained parameters in file
  /// order.
  std::vector<Parameter> trainable();
  /// Puts the adapter's effect into the weights, and takes it out again; between the two the adapted layers'
  /// plain weights are kept beside.
  void merge_adapter();
  void unmerge_adapter();
  /// Merges the adapter for good: what remains is a model of whole weights.
  void drop_adapter_after_merge();

  /// Every weight of the body and the output head with its name in the file; the tensors are the model's own.
  std::vector<std::pair<std::string, at::Tensor>> named_weights();
  /// w ← share · w_other + (1 − share) · w for each of them; an adapter of `other` counts with its effect.
  /// This model must have no adapter. @throws Error{kRequest} when names or shapes differ
  void move_towards(const Model& other, double share);

  at::Tensor hidden(const StreamInput& input, Weights which = Weights::kPolicy,
                    std::span<const std::uint64_t> dropout_keys = {}, Tap* tap = nullptr) const {
    return hidden_states(weights_, config_, input, which, dropout_keys, tap);
  }
  /// The output head (weight undefined in a reward model). kReference differs only where it is trained beside
  /// an adapter, or has one.
  Head head(Weights which = Weights::kPolicy) const;
  Head named_head(const std::string& name) const;   ///< weight undefined when the model has none of that name
  std::map<std::string, Head> named_heads() const;  ///< those that there are

  /// Writes a Hugging Face folder that transformers loads with the same logits (config with unknown keys
  /// kept, tokenizer, template and generation_config byte for byte).
  void save(const std::string& folder, const SavedAs& options = {}) const;
  /// Writes a PEFT adapter folder (adapter_config.json, adapter_model.safetensors).
  void save_adapter(const std::string& folder) const;
  /// A small file that save_result() writes beside the weights: what others need to use the model as it was
  /// made.
  void keep_beside(const std::string& file, std::string content);
  /// save_adapter with an adapter, save otherwise: what OUTPUT/model and checkpoints hold. Checkpoints pass
  /// {.dtype = kMemoryDtype}, so that a resumed run continues with the same bits.
  void save_result(const std::string& folder, const SavedAs& options = {}) const;
  /// Copies weights back from what save_result wrote (resume). @throws Error{kRequest} when they do not fit.
  void restore(const std::string& folder);
  /// Of the configuration and every weight, adapters included.
  std::uint64_t fingerprint() const;

 private:
  struct Place {
    std::string folder, adapter, name;
  };
  enum class Reading { kWhole, kLook };
  static Place locate(const ModelOptions& options);
  static Model read(const ModelOptions& options, Reading reading);
  Model() = default;
  void read_weights(const WeightFiles& files, const ModelOptions& options, Reading reading);
  void read_heads(const WeightFiles& files, const std::set<std::string>& names, at::ScalarType dtype);
  void read_adapter(const std::string& folder, const std::set<std::string>& heads);
  void read_saved_modules(const std::map<std::string, const StoredTensor*>& stored, const std::string& where);
  bool read_head_tensor(const StoredTensor& stored, const std::string& name);
  void own_modules(const std::set<std::string>& modules);
  void keep_start();
  void merge_ends();
  void continue_adapter(double dropout);
  bool is_reward_model() const { return named_head("score").weight.defined(); }
  bool parts_head_and_embedding() const;
  std::string config_text(const SavedAs& options) const;
  std::vector<std::pair<std::string, at::Tensor>> adapter_tensors() const;
  core::Json adapter_json() const;

  ModelConfig config_;
  TransformerWeights weights_;
  std::string folder_, name_, source_dtype_;
  LoadReport load_report_;
  std::map<std::string, std::string> beside_;  ///< file → content
  AdapterOptions adapter_options_;
  core::Json adapter_json_;              ///< adapter_config.json of a loaded adapter
  bool scores_tokens_ = false;           ///< its score is read at every token
  bool ties_in_config_ = false;          ///< config.json says so (a file without a head ties as well)
  std::set<std::string> saved_modules_;  ///< paths of modules that are trained in full beside an adapter
};

}  // namespace attune::model
