// Names of other programs: what the pages say of them, and what becomes of a request that has them.
#include <fmt/ranges.h>
#include <gmock/gmock.h>

#include "algorithm/method.h"
#include "cli/foreign/guide.h"
#include "cli/foreign/translate.h"
#include "core/error.h"
#include "training/options.h"

namespace attune::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

constexpr std::string_view kPage =
    "# A page\n\n| trainer | method |\n|---|---|\n| `X` | `method=x` |\n\n"
    "| theirs | here | |\n|---|---|---|\n| `a`, `b` | `t.a`, `t.b` | both `so` |\n| `c*` | | as [the "
    "page](x.md) says |\n"
    "\n## What is not there\n\n| theirs | why |\n|---|---|\n| `d` | none |\n";

TEST(Guide, ThePagesAreReadAsTheyStand) {
  const auto rows = guide_rows("docs/from-x.md", kPage);
  ASSERT_EQ(rows.size(), 3U);
  EXPECT_THAT(rows[0].names, ElementsAre("a", "b"));
  EXPECT_EQ(rows[0].ours_of("b"), "t.b");
  EXPECT_EQ(rows[0].text(), "a, b → t.a, t.b: both so");
  EXPECT_EQ(rows[1].ours_of("c1"), "");
  EXPECT_EQ(rows[1].note, "as the page says");
  EXPECT_FALSE(rows[1].absent);
  EXPECT_TRUE(rows[2].absent);
  EXPECT_EQ(find_guide_row("vllm_mode"), find_guide_row("use_vllm"));
  EXPECT_EQ(find_guide_row("nothing"), nullptr);
}

/// What every row that has a counterpart names is a setting of a run, or of a method.
TEST(Guide, CounterpartsAreSettings) {
  training::TrainRecipe recipe;
  const core::Fields fields = core::fields_of(recipe);
  std::vector<std::string> known = {"method", "data", "eval.data", "model", "reference", "adapter", "resume"};
  for (const auto& row : core::option_rows(fields)) known.push_back(row.key);
  for (const auto& [path, content] : embedded_guides())
    for (const GuideRow& row : guide_rows(path, content))
      for (const std::string& ours : row.ours)
        EXPECT_TRUE(ours.starts_with("method") || std::find(known.begin(), known.end(), ours) != known.end())
            << path << ": " << ours;
}

std::string translated(const std::string& yaml) {
  training::TrainRecipe recipe;
  const auto fields = core::fields_of(recipe);
  const auto translation = in_our_words(core::parse_yaml(yaml, "r.yaml"), fields);
  if (!translation.refused.empty()) core::fail_request("{}", fmt::join(translation.refused, "\n"));
  return core::to_line(translation.settings.to_json());
}

std::string refusal(const std::string& yaml) {
  try {
    translated(yaml);
  } catch (const core::Error& error) {
    EXPECT_EQ(error.exit_code(), 2);
    return error.what();
  }
  return "";
}

TEST(Translate, OursStayAsTheyAre) {
  EXPECT_EQ(translated("method: {name: dpo, beta: 1}\nx.y: 2\nseed: 1\n"),
            R"({"method":{"name":"dpo","beta":1},"x.y":2,"seed":1})");
}

/// Whatever a method calls its options, they are its own there, also where a page speaks of the same word.
TEST(Translate, OptionsOfMethodsAreTheirs) {
  for (const auto& [name, make] : algorithm::method_entries()) {
    const auto method = make();
    const core::Fields options = method->fields();
    for (const auto& field : options.all()) {
      const std::string yaml =
          fmt::format("use_vllm: false\nmethod: {{name: {}, {}: 1}}\n", name, field.name());
      EXPECT_THAT(translated(yaml), HasSubstr(fmt::format("\"{}\":1", field.name()))) << yaml;
    }
  }
}

TEST(Translate, LaterFilesAndArgumentsWin) {
  core::Value both = core::parse_yaml("learning_rate: 1\n", "first.yaml");
  both.set("training", core::parse_yaml("learning_rate: 2\n", "second.yaml"));
  training::TrainRecipe recipe;
  const Translation found = in_our_words(both, core::fields_of(recipe));
  EXPECT_EQ(core::to_line(found.settings.to_json()), R"({"training":{"learning_rate":2}})");
  EXPECT_EQ(found.refused.size(), 0u);
  EXPECT_THROW(translated("training: {learning_rate: 2}\nlearning_rate: 1\n"), core::Error);
  EXPECT_EQ(translated("method: dpo\nbeta: 0.2\n"), R"({"method":{"name":"dpo","beta":0.2}})");
  EXPECT_EQ(translated("beta: 0.2\nmethod: dpo\n"), R"({"method":{"beta":0.2,"name":"dpo"}})");
}

TEST(Translate, ValuesAreReadForWhatTheyMean) {
  EXPECT_EQ(translated("bf16: true\nfp16: false\n"), R"({"training":{"dtype":"bfloat16"}})");
  EXPECT_EQ(translated("val_size: 8\nmetric_for_best_model: eval_rewards/accuracies\n"),
            R"({"val_size":8,"eval":{"metric":"rewards/accuracies"}})");
  EXPECT_EQ(translated("max_length: null\n"), R"({"data":{"max_length":0}})");
  EXPECT_EQ(translated("resume_from_checkpoint: runs/x/checkpoints/step-1\noutput_dir: runs/x\n"),
            R"({"resume":"auto","output":"runs/x"})");
  EXPECT_EQ(translated("model_init_kwargs: {torch_dtype: torch.bfloat16, attn_implementation: sdpa}\n"),
            R"({"training":{"dtype":"bfloat16"}})");
  EXPECT_EQ(translated("data: a.jsonl\ndataset_text_field: content\n"),
            R"({"data":{"path":"a.jsonl","columns":{"text":"content"}}})");
}

TEST(Translate, SwitchesAreReadInEverySpelling) {
  for (const char* yes : {"true", "True", "yes", "1", "on", "t", "Y", "'true'"})
    EXPECT_THAT(translated(fmt::format("use_peft: {}\n", yes)), HasSubstr(R"("type":"lora")")) << yes;
  EXPECT_THAT(refusal("use_peft: maybe\n"), HasSubstr("r.yaml:1: use_peft: true or false"));
  for (const char* no : {"0", "off", "No", "f", "False"})
    EXPECT_EQ(refusal(fmt::format("load_in_4bit: {}\npush_to_hub: {}\ngroup_by_length: {}\n", no, no, no)),
              "");
  EXPECT_EQ(translated("use_peft: true\nlora_r: 8\n"),
            R"({"adapter":{"type":"lora","dropout":0.05,"rank":8}})");
  EXPECT_THAT(translated("use_peft: true\nlora_dropout: 0\n"), HasSubstr(R"("dropout":0)"));
}

TEST(Translate, NoneAndWhatIsNeutralSaysNothing) {
  EXPECT_EQ(translated("max_length: None\nsave_total_limit: None\nwarmup_steps: None\nmax_steps: None\n"),
            R"({"data":{"max_length":0},"training":{"save_total_limit":0}})");
  EXPECT_EQ(refusal("eval_delay: 0\nlabel_smoothing_factor: 0.0\ntop_k: 0\ntemperature: 1.0\n"
                    "hub_model_id: x\nvllm_mode: colocate\nuse_vllm: False\n"),
            "");
  EXPECT_THAT(refusal("temperature: 0.7\n"), HasSubstr("temperature"));
}

TEST(Translate, TheTypeDoesNotHangOnTheOrder) {
  for (const char* yaml : {"bf16: true\ntorch_dtype: float32\n", "torch_dtype: float32\nbf16: true\n"})
    EXPECT_EQ(translated(yaml), R"({"training":{"dtype":"bfloat16"}})");
  for (const char* yaml : {"bf16: true\nfp16: true\n", "fp16: yes\nbf16: yes\n"})
    EXPECT_THAT(refusal(yaml), HasSubstr("fp16: bf16 and fp16 are both on"));
  EXPECT_THAT(refusal("torch_dtype: float16\nbf16: true\n"), HasSubstr("contradict"));
  for (const char* name : {"bf16", "torch.bfloat16", "bfloat16"})
    EXPECT_EQ(translated(fmt::format("dtype: {}\n", name)), R"({"training":{"dtype":"bfloat16"}})");
  EXPECT_EQ(translated("dtype: half\n"), R"({"training":{"dtype":"float16"}})");
}

TEST(Translate, StrategiesSayWhetherStepsCount) {
  EXPECT_EQ(translated("save_strategy: no\nsave_steps: 2\n"),
            R"({"training":{"save_steps":-1,"save_minutes":0}})");
  EXPECT_EQ(translated("save_steps: 2\nsave_strategy: epoch\n"), R"({"training":{"save_steps":0}})");
  EXPECT_EQ(translated("save_strategy: steps\n"), R"({"training":{"save_steps":500}})");
  EXPECT_EQ(translated("save_strategy: steps\nsave_steps: 3\n"), R"({"training":{"save_steps":3}})");
  EXPECT_EQ(translated("eval_dataset: e.jsonl\neval_strategy: steps\nlogging_steps: 7\n"),
            R"({"eval":{"data":"e.jsonl"},"training":{"eval_steps":7,"logging_steps":7}})");
  EXPECT_EQ(translated("val_size: 0.1\nevaluation_strategy: steps\n"),
            R"({"val_size":0.1,"training":{"eval_steps":10}})");
  EXPECT_THAT(refusal("eval_strategy: sometimes\n"), HasSubstr("steps, epoch or no"));
}

TEST(Translate, OptimisersWithFewerBitsAreNotAdamW) {
  EXPECT_EQ(refusal("optim: adamw_torch_fused\n"), "");
  for (const char* name : {"adamw_8bit", "adamw_bnb_8bit", "paged_adamw_8bit"})
    EXPECT_THAT(refusal(fmt::format("optim: {}\n", name)),
                HasSubstr("optim=adamw_torch is the same optimiser"));
  EXPECT_THAT(refusal("optim: adafactor\n"), HasSubstr("adafactor is not there"));
}

TEST(Translate, TheLeastRateIsAShare) {
  EXPECT_EQ(translated("learning_rate: 1.0e-6\nlr_scheduler_kwargs: {min_lr: 1.0e-7}\n"),
            R"({"training":{"learning_rate":1e-06,"min_lr_ratio":0.1}})");
  EXPECT_THAT(refusal("lr_scheduler_kwargs: {min_lr: 1e-8}\n"),
              HasSubstr("write min_lr / learning_rate as training.min_lr_ratio"));
}

TEST(Translate, WhatIsOfOneTrainerOnly) {
  EXPECT_EQ(translated("method: sft\nshuffle_dataset: false\n"), R"({"method":"sft"})");
  EXPECT_EQ(translated("method: dapo\nshuffle_dataset: false\n"),
            R"({"method":"dapo","training":{"shuffle":false}})");
  EXPECT_THAT(refusal("method: dpo\ndataset_text_field: prompt\n"),
              HasSubstr("dataset_text_field: it names"));
  EXPECT_THAT(refusal("dataset_config: helpful\n"), HasSubstr("r.yaml:1: dataset_config: "));
  EXPECT_EQ(refusal("dataset_config: default\n"), "");
  EXPECT_THAT(translated("method: grpo\nscale_rewards: false\n"), HasSubstr(R"("scale_rewards":"none")"));
  EXPECT_THAT(translated("method: {name: grpo, scale_rewards: True}\n"),
              HasSubstr(R"("scale_rewards":"group")"));
  EXPECT_THAT(translated("method: dpo\nreference_free: true\n"), HasSubstr(R"("reference_free":true)"));
}

TEST(Translate, ALossOfTheirsIsTheMethodOfItsName) {
  EXPECT_THAT(translated("stage: dpo\npref_loss: orpo\n"), HasSubstr(R"("method":{"name":"orpo"})"));
  EXPECT_THAT(translated("stage: dpo\npref_loss: simpo\nsimpo_gamma: 0.5\n"),
              HasSubstr(R"("method":{"name":"simpo","gamma":0.5})"));
  EXPECT_THAT(refusal("stage: dpo\npref_loss: kto_pair\n"), HasSubstr("no method 'kto_pair'"));
}

TEST(Translate, KeysWithoutAValueSayNothing) {
  EXPECT_EQ(translated("base_model: m\nsome_key_of_theirs:\n"), R"({"model":"m"})");
}

TEST(Translate, OtherProgramsTrainOnWhatTheAssistantSaid) {
  EXPECT_EQ(translated("stage: sft\nfinetuning_type: full\n"),
            R"({"method":{"name":"sft"},"adapter":{"type":"none"},"data":{"assistant_only":true}})");
  EXPECT_EQ(translated("stage: sft\ntrain_on_prompt: true\nfinetuning_type: full\n"),
            R"({"method":{"name":"sft"},"data":{"assistant_only":false},"adapter":{"type":"none"}})");
  EXPECT_EQ(
      translated("stage: dpo\n"),
      R"({"method":{"name":"dpo"},"adapter":{"type":"lora","target_modules":"all-linear","rank":8,"alpha":16}})");
  EXPECT_EQ(
      translated("stage: dpo\nlora_rank: 4\nlora_target: q_proj\n"),
      R"({"method":{"name":"dpo"},"adapter":{"type":"lora","rank":4,"alpha":8,"target_modules":"q_proj"}})");
  EXPECT_EQ(translated("model_name_or_path: m\ndatasets: [{path: a.jsonl, split: train}]\n"),
            R"({"model":"m","data":{"path":"a.jsonl","split":"train"}})");
  EXPECT_EQ(
      translated("sequence_len: 9\ndatasets: [{path: a.jsonl, type: alpaca, split: test}]\n"),
      R"({"method":{"name":"sft"},"data":{"max_length":9,"path":"a.jsonl","split":"test","assistant_only":true}})");
  EXPECT_EQ(
      translated("rl: dpo\ndatasets: [{path: a.jsonl}, {path: b.jsonl, weight: 2}]\n"),
      R"({"method":{"name":"dpo"},"data":{"path":[{"path":"a.jsonl"},{"path":"b.jsonl","weight":2}]}})");
}

TEST(Translate, EverythingThatIsMissingIsSaidAtOnce) {
  const std::string said =
      refusal("deepspeed: z.json\nmethod: [dpo, sft]\nbeta: 1\nhub_token: x\npush_to_hub: true\n");
  EXPECT_THAT(said, HasSubstr("r.yaml:1: deepspeed: "));
  EXPECT_THAT(said, HasSubstr("r.yaml:3: beta of which method?"));
  EXPECT_THAT(said, HasSubstr("r.yaml:5: push_to_hub: nothing is sent anywhere"));
  EXPECT_THAT(said, Not(HasSubstr("hub_token"))) << "without the other it changes nothing";
  EXPECT_EQ(refusal("deepspeed: null\nuse_vllm: false\nrank_pattern: {}\n"), "");
  EXPECT_THAT(refusal("lr_scheduler_kwargs: {min_lr: 1e-6}\n"), HasSubstr("training.min_lr_ratio"));
}

}  // namespace
}  // namespace attune::cli
