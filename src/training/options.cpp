#include "training/options.h"

#include <fmt/ranges.h>
#include <cmath>

#include <string_view>

#include "core/error.h"
#include "training/optimizer/parameter_groups.h"
#include "training/optimizer/schedule.h"
#include "training/run/recipe/loss_list.h"

namespace attune::training {
namespace {

/// At 1 the moments would never leave zero, and their bias correction divides by zero.
constexpr double kMaxBeta = 0.999999;

std::vector<std::string> schedule_names() {
  std::vector<std::string> names;
  for (const auto& schedule : schedules()) names.push_back(schedule.name);
  return names;
}

void declare_plateau(TrainingOptions& o, core::Fields& fields) {
  fields
      .add("plateau_factor", o.plateau_factor,
           "reduce_lr_on_plateau and greedy multiply the rate by it (greedy also divides by it, to raise the "
           "rate); 0: 0.1 and 0.95.")
      .range(0, 0.999);
  fields
      .add("plateau_patience", o.plateau_patience,
           "The same schedules: so many evaluations in a row without improvement (greedy: or with) change "
           "nothing; the next one does.")
      .non_negative();
  fields
      .add("plateau_threshold", o.plateau_threshold,
           "The same: what counts as improvement, for reduce_lr_on_plateau as a share of the best; -1: 1e-4 "
           "and 1e-6.")
      .range(-1, 1e9);
  fields
      .add("plateau_cooldown", o.plateau_cooldown,
           "The same: evaluations after a reduction that do not count.")
      .non_negative();
}

void declare_schedule(TrainingOptions& o, core::Fields& fields) {
  fields.add("learning_rate", o.learning_rate, "Peak learning rate; 0 takes the method's default.")
      .non_negative();
  fields.add("schedule", o.schedule, "How the learning rate changes in the course of the run.")
      .one_of(schedule_names())
      .alias("lr_scheduler_type");
  fields.add("warmup_steps", o.warmup_steps, "Updates over which the rate rises from 0.").non_negative();
  fields.add("warmup_ratio", o.warmup_ratio, "The same as a share of all updates.").range(0, 1);
  fields.add("decay_steps", o.decay_steps, "Length of warmup_stable_decay's fall.")
      .non_negative()
      .alias("num_decay_steps");
  fields
      .add("min_lr_ratio", o.min_lr_ratio,
           "Floor of the schedules …_with_min_lr, warmup_stable_decay, reduce_lr_on_plateau and greedy, as a "
           "share of the peak.")
      .range(0, 1);
  fields.add("num_cycles", o.num_cycles, "Cycles of the cosine schedules; 0: 1 with restarts, else a half.")
      .non_negative();
  fields.add("power", o.power, "Exponent of the polynomial schedule.").positive();
  declare_plateau(o, fields);
}

void declare_optimizer(TrainingOptions& o, core::Fields& fields) {
  fields.add("weight_decay", o.weight_decay, "AdamW's decay; norms and biases are never decayed.")
      .non_negative();
  fields.add("adam_beta1", o.adam_beta1, "AdamW's momentum.").range(0, kMaxBeta);
  fields.add("adam_beta2", o.adam_beta2, "AdamW's averaging of squares.").range(0, kMaxBeta);
  fields.add("adam_epsilon", o.adam_epsilon, "AdamW's epsilon.").positive();
  fields.add("max_grad_norm", o.max_grad_norm, "Gradients are clipped to this norm; 0 never clips.")
      .non_negative();
  fields
      .add("ema_decay", o.ema_decay,
           "The result is the moving average of the weights, of which each update keeps this share; 0: the "
           "last weights.")
      .range(0, kMaxBeta);
  ParameterRule rule;
  fields
      .add("parameter_groups", o.parameter_groups,
           "Weights with a rate or a decay of their own: {match, learning_rate, weight_decay}, or a list of "
           "these; the first that matches wins.")
      .short_form("match")
      .shown_type("list of groups")
      .documented(core::option_rows(core::fields_of(rule)));
}

}  // namespace

void TrainingOptions::declare(core::Fields& fields) {
  fields.add("batch_size", batch_size, "Records per update: a pair, a list or a group is one record.")
      .range(1, 1e9)
      .alias("per_device_train_batch_size");
  fields
      .add("gradient_accumulation_steps", gradient_accumulation,
           "Accepted for transformers' sake: multiplies batch_size. Micro-batches are chosen by tokens.")
      .range(1, 1e6);
  fields.add("tokens_per_batch", tokens_per_batch, "Ends a batch earlier, at so many tokens; 0 off.")
      .non_negative();
  fields
      .add("micro_batch_tokens", micro_batch_tokens,
           "Tokens computed at a time; changes memory, not results. 0: chosen from the machine.")
      .non_negative();
  fields.add("epochs", epochs, "Passes over the data.").positive().alias("num_train_epochs");
  fields.add("max_steps", max_steps, "Stops after so many updates; 0: epochs decide.").non_negative();
  declare_schedule(*this, fields);
  declare_optimizer(*this, fields);
  fields.add("shuffle", shuffle, "A new order every epoch.");
  fields.add("dtype", dtype, "Arithmetic.").one_of({"float32", "bfloat16", "float16", "float64"});
  fields.add("logging_steps", logging_steps, "Updates per line of metrics.jsonl.").range(1, 1e9);
  fields
      .add("save_steps", save_steps,
           "Updates between checkpoints; 0: only at the end of an epoch; -1: none, also not at the end.")
      .range(-1, 1e9);
  fields
      .add("save_minutes", save_minutes,
           "A checkpoint also after so many minutes without one, so that a run that is killed loses no more; "
           "0: never.")
      .non_negative();
  fields.add("save_total_limit", save_total_limit, "Checkpoints that are kept; 0: all.").non_negative();
  fields
      .add("eval_steps", eval_steps,
           "Updates between evaluations; 0: at every checkpoint; -1: at the end of every epoch.")
      .range(-1, 1e9);
  fields.add("save_best", save_best, "The result is the checkpoint with the best eval.metric, not the last.")
      .alias("load_best_model_at_end");
  fields
      .add("early_stopping_patience", early_stopping_patience,
           "Stops after so many evaluations without improvement; 0: never.")
      .non_negative();
  fields.add("pairs", pairs, "Accepted for pairing=NAME.");
  fields.add("share_prefixes", share_prefixes,
             "Computes a prompt once for all its candidates; off for comparison.");
  fields.add("layer_grad_norms", layer_grad_norms,
             "Logs the gradient norm of every layer as grad_norm/LAYER.");
  fields
      .add("profile", profile,
           "Records so many updates, after the first: OUTPUT/profile/ says where their time went. 0: none.")
      .range(0, 20);
}

void TeacherOptions::declare(core::Fields& fields) {
  fields.add("path", path,
             "Folder of the teacher, whose vocabulary is the model's; empty: the model as it starts.");
  fields.add("system", system, "What the teacher is told before the prompt; the model itself is not.");
}

void ReferenceOptions::declare(core::Fields& fields) {
  fields.add("path", path, "Folder of the reference model; empty: the model as it starts.");
  fields
      .add("cache", cache,
           "Computes the reference's log-probabilities once, before training, instead of keeping the model.")
      .alias("precompute_ref_log_probs");
  fields.add("sync", sync, "TR-DPO: the reference is drawn towards the policy every sync_steps updates.")
      .alias("sync_ref_model");
  fields.add("sync_steps", sync_steps, "Updates between two refreshes of the reference.")
      .range(1, 1e9)
      .alias("ref_model_sync_steps");
  fields.add("mixup_alpha", mixup_alpha, "Share of the policy in the refreshed reference; 1 replaces it.")
      .range(0, 1)
      .alias("ref_model_mixup_alpha");
}

void EvalOptions::declare(core::Fields& fields) {
  fields.add("data", data, "Held-out data: a path or the long form of data.").short_form("path");
  fields.add("metric", metric,
             "What save_best, early stopping and the schedules reduce_lr_on_plateau and greedy look at "
             "(without eval_); less is better where its name ends in loss.");
}

void SamplesOptions::declare(core::Fields& fields) {
  fields.add("prompts", prompts, "Prompts that are sampled before and after, for the report; 0: none.")
      .range(0, 1000);
  fields.add("max_new_tokens", max_new_tokens, "Longest sample.").range(1, 1e6);
  fields.add("temperature", temperature, "Temperature of the samples; 0 is greedy.").non_negative();
}

namespace {

std::vector<core::OptionRow> data_rows() {
  data::DataOptions options;
  return core::option_rows(core::fields_of(options));
}

/// `resume=never` and `resume.data=changed`.
void declare_resume(TrainRecipe& recipe, core::Fields& fields) {
  core::Fields inner;
  inner
      .add(
          "mode", recipe.resume,
          "auto continues an unfinished run of the same recipe; extend goes on from the last checkpoint of a "
          "run, finished or not, to larger training.epochs or training.max_steps; never starts anew.")
      .one_of({"auto", "never", "extend"});
  inner
      .add("data", recipe.resume_data,
           "same refuses to continue with data files that have changed since the run began; changed goes on "
           "with what is there now.")
      .one_of({"same", "changed"});
  fields.add_section("resume", std::move(inner), "How an unfinished run in OUTPUT is treated.", "mode");
}

}  // namespace

void TrainRecipe::declare(core::Fields& fields) {
  fields.section("model", model, "What is trained: a Hugging Face folder or a PEFT adapter folder.", "path");
  fields.add("data", data, "What it learns from: a file, a folder, a list with weights, or the long form.")
      .short_form("path")
      .documented(data_rows());
  fields.add("method", method, "How: a name, {name, options…}, or a list of {name, weight, data, …}.")
      .short_form("name")
      .shown_type("method");
  fields
      .add("pairing", pairing,
           "How rated candidates of a prompt become what the method learns from: a name of `attune list "
           "pairings`, or {name, options…}. Default: best_worst for pairs, as_given for the rest.")
      .short_form("name")
      .shown_type("pairing");
  fields.section("adapter", adapter, "LoRA instead of all weights.", "type");
  fields.section("training", training, "The run.");
  fields.section("reference", reference, "The frozen model that methods compare with.", "path");
  fields
      .add("hooks", hooks, "What acts on the loop: names of `attune list hooks`, or maps {name, options …}.")
      .shown_type("hooks");
  fields.section("teacher", teacher, "A model that methods learn from, with a prompt of its own.", "path");
  fields.section("eval", eval, "Evaluation during training.", "data");
  fields
      .add("val_size", val_size,
           "Holds rows of the training data out for evaluation, with prompts that no other row has: a share "
           "below 1, or how many; 0: none.")
      .non_negative()
      .alias("val_set_size");
  fields.section("samples", samples, "Samples for the report.", "prompts");
  fields.add("output", output, "Folder of the run.");
  fields.add("device", device, "Where to compute: auto or cpu; cuda is refused in this version.");
  fields.add("threads", threads, "Threads; 0: all cores.").range(0, 4096);
  fields
      .add("kernels", kernels,
           "native: kernels for the processor; library: their twins of library operations; auto: as built.")
      .one_of({"auto", "native", "library"});
  fields.add("seed", seed, "Seed of everything random.").non_negative();
  declare_resume(*this, fields);
  fields.add("overwrite", overwrite, "Replaces a finished or different run in OUTPUT.");
}

void TrainRecipe::require_complete() const {
  std::vector<std::string> missing;
  const auto require = [&](bool present, const char* key, const char* example) {
    if (!present) missing.push_back(fmt::format("{} is missing; for example {}", key, example));
  };
  require(!model.path.empty(), "model", "model=path/to/folder");
  require(!data.is_null(), "data", "data=prefs.jsonl");
  require(!method.is_null(), "method", "method=dpo");
  require(!output.empty(), "output", "output=runs/my-run");
  if (!missing.empty()) core::fail_request("{}", fmt::join(missing, "\n  "));
}

void TrainRecipe::settle() {
  method = losses_apart(method);
  pairing = pairing_setting();
  training.pairs.clear();
  training.batch_size *= training.gradient_accumulation;
  training.gradient_accumulation = 1;
  refuse_contradictions();
}

core::Value TrainRecipe::pairing_setting() const {
  if (training.pairs.empty()) return pairing;
  if (!pairing.is_null())
    core::fail_request("pairing and training.pairs say the same thing: leave training.pairs out");
  return core::Value::scalar(training.pairs, false, "training.pairs");
}

void TrainRecipe::refuse_contradictions() const {
  std::vector<std::string> said;
  const auto refuse = [&](bool wrong, std::string_view why) {
    if (wrong) said.emplace_back(why);
  };
  refuse(!eval.data.is_null() && val_size > 0,
         "val_size and eval.data both say what is held out: leave one of them out");
  refuse(val_size > 1 && val_size != std::floor(val_size),
         fmt::format("val_size={:g} is neither a share below 1 nor a whole number of rows", val_size));
  refuse(training.save_best && !evaluates(),
         "training.save_best needs held-out data: set eval.data or val_size");
  refuse(!evaluates() && training.eval_steps != 0,
         "training.eval_steps has no effect without held-out data: set eval.data or val_size");
  refuse(!evaluates() && eval.metric != EvalOptions().metric,
         "eval.metric has no effect without held-out data: set eval.data or val_size");
  refuse(training.early_stopping_patience > 0 && !evaluates(),
         "training.early_stopping_patience needs held-out data: set eval.data or val_size");
  refuse(
      reference.sync && reference.cache,
      "reference.sync moves the reference, and reference.cache computes its numbers once: use one of them");
  if (!said.empty()) core::fail_request("{}", fmt::join(said, "\n  "));
  parameter_rules(training.parameter_groups);  // refuses what it cannot read
}

}  // namespace attune::training
