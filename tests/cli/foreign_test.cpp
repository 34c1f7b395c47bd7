// Names of other programs: what the pages say of them, and what becomes of a request that has them.
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
  return core::to_line(in_our_words(core::parse_yaml(yaml, "r.yaml"), fields).settings.to_json());
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

TEST(Translate, LaterWins) {
  EXPECT_EQ(translated("learning_rate: 1\ntraining: {learning_rate: 2}\n"),
            R"({"training":{"learning_rate":2}})");
  EXPECT_EQ(translated("training: {learning_rate: 2}\nlearning_rate: 1\n"),
            R"({"training":{"learning_rate":1}})");
  EXPECT_EQ(translated("method: dpo\nbeta: 0.2\n"), R"({"method":{"name":"dpo","beta":0.2}})");
  EXPECT_EQ(translated("beta: 0.2\nmethod: dpo\n"), R"({"method":{"beta":0.2,"name":"dpo"}})");
}

TEST(Translate, ValuesAreReadForWhatTheyMean) {
  EXPECT_EQ(translated("bf16: true\nfp16: false\n"), R"({"training":{"dtype":"bfloat16"}})");
  EXPECT_EQ(translated("metric_for_best_model: eval_rewards/accuracies\n"),
            R"({"eval":{"metric":"rewards/accuracies"}})");
  EXPECT_EQ(translated("max_length: null\n"), R"({"data":{"max_length":0}})");
  EXPECT_EQ(translated("resume_from_checkpoint: runs/x/checkpoints/step-1\noutput_dir: runs/x\n"),
            R"({"resume":"auto","output":"runs/x"})");
  EXPECT_EQ(translated("model_init_kwargs: {torch_dtype: torch.bfloat16, attn_implementation: sdpa}\n"),
            R"({"training":{"dtype":"bfloat16"}})");
  EXPECT_EQ(translated("data: a.jsonl\ndataset_text_field: content\n"),
            R"({"data":{"path":"a.jsonl","columns":{"text":"content"}}})");
}

TEST(Translate, OtherProgramsTrainOnWhatTheAssistantSaid) {
  EXPECT_EQ(translated("stage: sft\n"), R"({"method":{"name":"sft"},"data":{"assistant_only":true}})");
  EXPECT_EQ(translated("stage: sft\ntrain_on_prompt: true\n"),
            R"({"method":{"name":"sft"},"data":{"assistant_only":false}})");
  EXPECT_EQ(translated("stage: dpo\n"), R"({"method":{"name":"dpo"}})");
  EXPECT_EQ(
      translated("sequence_len: 9\ndatasets: [{path: a.jsonl, type: alpaca, split: test}]\n"),
      R"({"method":{"name":"sft"},"data":{"max_length":9,"path":"a.jsonl","split":"test","assistant_only":true}})");
  EXPECT_EQ(
      translated("rl: dpo\ndatasets: [{path: a.jsonl}, {path: b.jsonl, weight: 2}]\n"),
      R"({"method":{"name":"dpo"},"data":{"path":[{"path":"a.jsonl"},{"path":"b.jsonl","weight":2}]}})");
}

TEST(Translate, EverythingThatIsMissingIsSaidAtOnce) {
  const std::string said = refusal("deepspeed: z.json\nmethod: [dpo, sft]\nbeta: 1\nhub_token: x\nsead: 3\n");
  EXPECT_THAT(said, HasSubstr("r.yaml:1: deepspeed: several processes"));
  EXPECT_THAT(said, HasSubstr("r.yaml:3: beta of which method?"));
  EXPECT_THAT(said, HasSubstr("r.yaml:4: hub_token: nothing is sent anywhere"));
  EXPECT_THAT(said, HasSubstr("did you mean 'seed'?"));
  EXPECT_EQ(refusal("deepspeed: null\nuse_vllm: false\nrank_pattern: {}\n"), "");
  EXPECT_THAT(refusal("lr_scheduler_kwargs: {min_lr: 1e-6}\n"), HasSubstr("training.min_lr_ratio"));
}

}  // namespace
}  // namespace attune::cli
