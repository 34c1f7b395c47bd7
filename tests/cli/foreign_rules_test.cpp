// What names of others mean together: when a run evaluates, what LoRA's say without LoRA, options of other losses.
#include <fmt/ranges.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/foreign/translate.h"
#include "core/config/value.h"
#include "core/error.h"
#include "training/options.h"

namespace attune::cli {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

Translation translation_of(const std::string& yaml) {
  training::TrainRecipe recipe;
  return in_our_words(core::parse_yaml(yaml, "r.yaml"), core::fields_of(recipe));
}

std::string taken(const std::string& yaml) {
  const Translation found = translation_of(yaml);
  EXPECT_EQ(fmt::format("{}", fmt::join(found.refused, "\n")), "") << yaml;
  return core::to_line(found.settings.to_json());
}

std::string refused(const std::string& yaml) {
  return fmt::format("{}", fmt::join(translation_of(yaml).refused, "\n"));
}

std::string remarks(const std::string& yaml) {
  return fmt::format("{}", fmt::join(translation_of(yaml).remarks, "\n"));
}

TEST(Translate, EvaluationsOfAnEpochDoNotHangOnCheckpoints) {
  for (const char* name : {"eval_strategy", "evaluation_strategy"})
    EXPECT_EQ(taken(fmt::format("eval_dataset: e.jsonl\n{}: epoch\nsave_steps: 5\n", name)),
              R"({"eval":{"data":"e.jsonl"},"training":{"eval_steps":-1,"save_steps":5}})");
  for (const char* asked : {"evals_per_epoch: 1\n", "eval_strategy: epoch\n", ""})
    EXPECT_THAT(taken(fmt::format("base_model: m\nval_set_size: 0.1\nsave_steps: 100\n{}", asked)),
                HasSubstr(R"("eval_steps":-1)"))
        << asked;
  EXPECT_THAT(taken("base_model: m\nval_set_size: 0.1\neval_steps: 3\n"), HasSubstr(R"("eval_steps":3)"));
  EXPECT_THAT(taken("base_model: m\neval_strategy: epoch\n"), Not(HasSubstr("eval_steps")));
}

TEST(Translate, NamesOfLoraWithoutLoraAreRefusedTogether) {
  const std::string said = refused("lora_r: 16\nlora_alpha: 32\nlora_target_modules: [q_proj]\n");
  for (const char* part : {"r.yaml:1: lora_r: of LoRA", "r.yaml:2: lora_alpha: of LoRA",
                           "r.yaml:3: lora_target_modules: of LoRA"})
    EXPECT_THAT(said, HasSubstr(part));
  const std::string dump =
      "use_peft: false\nlora_r: 16\nlora_alpha: 32\nlora_dropout: 0.05\nuse_rslora: false\n";
  EXPECT_EQ(taken(dump), R"({"adapter":{"type":"none"}})");
  EXPECT_THAT(remarks(dump), HasSubstr("lora_r, lora_alpha, lora_dropout (of LoRA, and use_peft=false"));
  EXPECT_THAT(refused("use_peft: false\nlora_r: 8\n"), HasSubstr("lora_r: of LoRA"));
  EXPECT_EQ(refused("use_peft: true\nlora_r: 8\n") + refused("adapter: lora\nlora_r: 8\n") +
                refused("stage: dpo\nlora_rank: 8\n") + refused("peft_config: {r: 8}\n") +
                refused("lora_r: 8\nadapter: {type: lora}\n"),
            "");
  EXPECT_THAT(refused("adapter: qlora\nlora_r: 8\n"), AllOf(HasSubstr("qlora"), Not(HasSubstr("lora_r"))));
}

TEST(Translate, OptionsThatAMethodHasNot) {
  for (const char* method :
       {"rloo", "orpo", "cpo", "dpo", "kto", "sft", "bco_pair", "bradley_terry", "prm", "a2po", "dapo"})
    EXPECT_THAT(remarks(fmt::format("method: {}\nmax_completion_length: 64\n", method)),
                HasSubstr("max_completion_length (of "))
        << method;
  EXPECT_THAT(remarks("method: cpo\nloss_type: hinge\nlabel_smoothing: 0.1\n") +
                  remarks("stage: dpo\npref_loss: simpo\ndpo_label_smoothing: 0.1\n"),
              AllOf(HasSubstr("label_smoothing"), HasSubstr("dpo_label_smoothing (of ")));
  EXPECT_EQ(taken("method: kto\nlabel_smoothing: 0.0\n"), R"({"method":"kto"})");
  EXPECT_EQ(taken("method: rloo\nmask_truncated_completions: false\nreward_clip_range: null\n"),
            R"({"method":"rloo"})");
  EXPECT_THAT(refused("method: rloo\nmask_truncated_completions: true\n"),
              HasSubstr("rloo learns from every"));
  EXPECT_THAT(refused("method: rloo\nreward_clip_range: [-1, 1]\n"), HasSubstr("clip them there"));
  EXPECT_THAT(remarks("method: a2po\nnum_value_samples: 8\nfilter_all_incorrect: true\n"),
              HasSubstr("num_value_samples, filter_all_incorrect"));
  for (const char* method : {"dpo", "sft"})
    EXPECT_THAT(
        remarks(fmt::format("method: {}\nnum_generations: 4\nper_device_train_batch_size: 2\n", method)),
        HasSubstr("num_generations (of methods that learn from groups)"));
}

TEST(Translate, AxolotlsMethodsAreOursByTheirNames) {
  EXPECT_THAT(taken("rl: orpo\norpo_alpha: 0.2\n"), HasSubstr(R"({"name":"orpo","beta":0.2})"));
  EXPECT_THAT(taken("rl: simpo\nrl_beta: 2\nsimpo_gamma: 0.5\ncpo_alpha: 0\n"),
              HasSubstr(R"({"name":"cpo_simpo","beta":2,"gamma":0.5,"cpo_alpha":0})"));
  EXPECT_THAT(taken("rl: kto\n"), HasSubstr(R"({"name":"kto"})"));
  const Translation none = translation_of("rl: ppo\nrl_beta: 0.1\n");
  EXPECT_THAT(none.unsettled, ::testing::Contains("method.name")) << "it was to say the name of the method";
}

TEST(Translate, WhatIsBetterMattersWhereSomethingIsEvaluated) {
  EXPECT_EQ(taken("greater_is_better: true\nmetric_for_best_model: eval_loss\n"), "{}");
  EXPECT_THAT(remarks("greater_is_better: true\n"), HasSubstr("nothing is evaluated"));
  EXPECT_THAT(refused("greater_is_better: true\neval_strategy: steps\nval_size: 0.1\n"),
              HasSubstr("r.yaml:1: greater_is_better"));
  EXPECT_EQ(refused("greater_is_better: false\neval_strategy: steps\nval_size: 0.1\n"), "");
}

TEST(Translate, DefaultsOfATrainerAreTakenWithEachOfItsLosses) {
  for (const char* loss :
       {"nca_pair", "apo_zero", "aot", "bco_pair", "sppo_hard", "apo_down", "aot_unpaired"}) {
    const std::string said = fmt::format("method: dpo\nloss_type: {}\nf_divergence_type: ", loss);
    EXPECT_EQ(refused(said + "reverse_kl\n"), "") << loss;
    EXPECT_THAT(refused(said + "js_divergence\n"), HasSubstr("f_divergence_type")) << loss;
  }
  EXPECT_EQ(refused("method: cpo\nloss_type: alphapo\ncpo_alpha: 1.0\n"), "");
  EXPECT_EQ(refused("method: dpo\nloss_type: sft\nbeta: 0.1\n"), "");
}

TEST(Translate, TwoNamesOfOneSettingMayNotContradict) {
  EXPECT_THAT(
      refused("max_seq_length: 64\nmax_length: 32\n"),
      HasSubstr("r.yaml:2: max_length: max_seq_length says the number 64 in r.yaml:1, and this says the "
                "number 32: leave one of them out"));
  EXPECT_THAT(refused("lr_scheduler: cosine\nlr_scheduler_type: linear\n"),
              HasSubstr("leave one of them out"));
  EXPECT_EQ(taken("max_seq_length: 64\nmax_length: 64\n"), R"({"data":{"max_length":64}})");
  EXPECT_THAT(
      refused("max_seq_length: 64\ndata: {max_length: 32}\n"),
      HasSubstr("r.yaml:2: data.max_length: max_seq_length says the number 64 in r.yaml:1, and this"));
  EXPECT_THAT(refused("training: {epochs: 7}\nnum_train_epochs: 3\n"),
              HasSubstr("r.yaml:2: num_train_epochs: training.epochs says the number 7 in r.yaml:1"));
  EXPECT_THAT(refused("beta: 0.4\nmethod: {name: dpo, beta: 0.3}\n"), HasSubstr("leave one of them out"));
  EXPECT_EQ(taken("max_seq_length: 64\ndata: {max_length: 64}\n"), R"({"data":{"max_length":64}})");
}

TEST(Translate, WhatConfigsSayByThemselvesIsTaken) {
  EXPECT_EQ(taken("ds3_gather_for_generation: true\nmulti_objective_aggregation: sum_then_normalize\n"
                  "log_multimodal: true\nuse_adaptive_entropy: false\nentropy_coef_min: 0.0\n"
                  "entropy_coef_max: 1.0\nentropy_coef_delta: 0.0001\nentropy_target: 0.2\nnum_labels: 1\n"
                  "step_separator: \"\\n\"\ntrain_on_last_step_only: false\nenv: {A: b}\nbenchmarks: []\n"
                  "callbacks: []\noverwrite_hub_revision: false\npush_to_hub_revision: false\n"),
            "{}");
  EXPECT_EQ(taken("method: prm\nnum_labels: 2\n"), R"({"method":"prm"})");
  for (const char* key : {"multi_objective_aggregation: normalize_then_sum", "num_labels: 2",
                          "step_separator: ' ## '", "system_prompt: Think.", "benchmarks: [math]"})
    EXPECT_NE(refused(fmt::format("{}\n", key)), "") << key;
}

}  // namespace
}  // namespace attune::cli
