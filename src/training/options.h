// The settings of a training run, as recipes and arguments write them (names as in TRL and transformers where
// those have one).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/config/fields.h"
#include "core/config/value.h"
#include "data/options.h"
#include "generation/generator.h"
#include "model/model.h"
#include "training/step/assemble.h"

namespace attune::training {

struct TrainingOptions {
  std::int64_t batch_size = 8, tokens_per_batch = 0, micro_batch_tokens = 0, max_steps = 0;
  double epochs = 1;
  double learning_rate = 0;  ///< 0: the method's own default
  std::string schedule = "linear";
  std::int64_t warmup_steps = 0, decay_steps = 0;
  double warmup_ratio = 0, min_lr_ratio = 0, num_cycles = 0, power = 1;
  double plateau_factor = 0, plateau_threshold = -1;
  std::int64_t plateau_patience = 10, plateau_cooldown = 0;
  double weight_decay = 0, adam_beta1 = 0.9, adam_beta2 = 0.999, adam_epsilon = 1e-8, max_grad_norm = 1,
         ema_decay = 0;
  core::Value parameter_groups;  ///< read by parameter_rules()
  bool shuffle = true;
  std::string dtype = "float32";
  std::int64_t logging_steps = 1, save_steps = 0, save_total_limit = 2, eval_steps = 0,
               gradient_accumulation = 1;
  double save_minutes = 10;
  bool save_best = false;
  std::int64_t early_stopping_patience = 0, profile = 0;
  bool layer_grad_norms = true;
  std::string pairs;  ///< an older name of TrainRecipe::pairing
  bool share_prefixes = true;
  void declare(core::Fields& fields);
};

struct ReferenceOptions {
  std::string path;
  bool cache = false, sync = false;
  double mixup_alpha = 0.6;
  std::int64_t sync_steps = 512;
  void declare(core::Fields& fields);
};

/// A model whose distributions or log-probabilities methods learn from.
struct TeacherOptions {
  std::string path;    ///< empty: the model as it was before training
  std::string system;  ///< what the teacher is told before the prompt, and the student is not
  bool given() const { return !path.empty() || !system.empty(); }
  void declare(core::Fields& fields);
};

struct EvalOptions {
  core::Value data;
  std::string metric = "loss";
  void declare(core::Fields& fields);
};

/// Stories, answers … drawn from the model while it learns, for samples.jsonl and the report.
struct SamplesOptions {
  std::int64_t prompts = 4, max_new_tokens = 96;
  double temperature = 0.7;
  void declare(core::Fields& fields);
};

/// Everything that `attune train` is told.
struct TrainRecipe {
  model::ModelOptions model;
  core::Value data, method, pairing, hooks;
  model::AdapterOptions adapter;
  TrainingOptions training;
  ReferenceOptions reference;
  TeacherOptions teacher;
  EvalOptions eval;
  SamplesOptions samples;
  std::string output, device = "auto", resume = "auto", resume_data = "same";
  bool overwrite = false;
  std::int64_t seed = 0, threads = 0;
  double val_size = 0;  ///< rows held out of the training data: a share below 1, else a number; 0: none
  std::string kernels = "auto";
  void declare(core::Fields& fields);
  bool evaluates() const { return !eval.data.is_null() || val_size > 0; }
  /// @throws Error{kRequest} where a run would not know its model, data, method or output
  void require_complete() const;
  /// Turns aliases into ours and refuses settings that exclude each other or have no effect, also of a recipe
  /// that is not complete yet. @throws Error{kRequest}
  void settle();
  /// `pairing`, also where it has its older name; null: each method's default. @throws Error{kRequest}: both
  core::Value pairing_setting() const;
  /// Settings that exclude each other or have no effect, all of them. @throws Error{kRequest}
  void refuse_contradictions() const;
};

}  // namespace attune::training
