// Folders: saving and loading, restoring, the hub cache, configurations that are wrong.
#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "core/error.h"
#include "core/files/files.h"
#include "model/adapter_targets.h"
#include "model/files/tensor_slots.h"
#include "model/model.h"
#include "net/hub.h"
#include "support.h"

namespace attune::model {
namespace {

using test::message_of;
using ::testing::HasSubstr;

Model load(const std::string& path, const std::string& dtype = "float32") {
  ModelOptions options;
  options.path = path;
  options.dtype = dtype;
  return Model::load(options);
}

std::string config_message(const char* key, const core::Json& value, core::Json json = test::tiny_llama()) {
  json[key] = value;
  return message_of([&] { family_of(json, "config.json").configure(json, "config.json"); });
}

TEST(Config, NamesKeyAndValueThatAreWrong) {
  EXPECT_THAT(config_message("hidden_size", "wide"), HasSubstr("'hidden_size' is \"wide\""));
  EXPECT_THAT(config_message("num_hidden_layers", -2), HasSubstr("'num_hidden_layers' is -2"));
  EXPECT_THAT(config_message("num_hidden_layers", 1e300), HasSubstr("num_hidden_layers"));
  EXPECT_THAT(config_message("num_key_value_heads", 3), HasSubstr("num_key_value_heads (3)"));
  EXPECT_THAT(config_message("rms_norm_eps", 0), HasSubstr("rms_norm_eps"));
  EXPECT_THAT(config_message("hidden_act", "mish"), HasSubstr("mish"));
  EXPECT_THAT(config_message("rope_scaling", {{"type", "spiral"}}), HasSubstr("spiral"));
  EXPECT_THAT(config_message("rope_scaling", {{"type", "linear"}}), HasSubstr("rope_scaling.factor"));
  EXPECT_THAT(
      config_message("rope_scaling", {{"type", "longrope"}, {"short_factor", {1}}, {"long_factor", {1}}}),
      HasSubstr("short_factor"));
  EXPECT_THAT(config_message("model_type", "bert"), HasSubstr("llama, mistral, qwen2"));
  EXPECT_THAT(config_message("n_head", 3, test::tiny_gpt2()), HasSubstr("n_embd (16)"));
  EXPECT_EQ(config_message("some_new_key", {1, 2}), "");
}

TEST(Config, DecidesTablesByLength) {
  core::Json json = test::tiny_llama();
  json["rope_scaling"] = {{"type", "dynamic"}, {"factor", 2.0}};
  const ModelConfig dynamic = family_of(json, "c").configure(json, "c");
  EXPECT_EQ(dynamic.table_of(256), 0);
  EXPECT_EQ(dynamic.table_of(257), 257);
  json["rope_scaling"] = {{"type", "longrope"},
                          {"factor", 2.0},
                          {"short_factor", {1, 1}},
                          {"long_factor", {2, 2}},
                          {"original_max_position_embeddings", 100}};
  const ModelConfig longrope = family_of(json, "c").configure(json, "c");
  EXPECT_EQ(longrope.table_of(100), 0);
  EXPECT_EQ(longrope.table_of(101), 1);
  EXPECT_EQ(longrope.table_of(200), 1);
}

TEST(Config, ScaledRotationsLiftTheContext) {
  const auto context = [](core::Json scaling, std::int64_t positions = 256) {
    core::Json json = test::tiny_llama();
    json["max_position_embeddings"] = positions;
    json["rope_scaling"] = std::move(scaling);
    return family_of(json, "c").configure(json, "c").context();
  };
  EXPECT_EQ(context(nullptr), 256);
  EXPECT_EQ(context({{"rope_type", "linear"}, {"factor", 4.0}}), 1024);
  EXPECT_EQ(context({{"rope_type", "dynamic"}, {"factor", 2.0}}), 512);
  EXPECT_EQ(context({{"rope_type", "yarn"}, {"factor", 4.0}}), 1024);
  const core::Json stated = {
      {"rope_type", "yarn"}, {"factor", 4.0}, {"original_max_position_embeddings", 64}};
  EXPECT_EQ(context(stated, 64), 256);
  EXPECT_EQ(context(stated, 256), 256);  // both say the same
  EXPECT_EQ(context(stated, 512), 512);  // Llama 3.1 states more than factor times the original
  EXPECT_EQ(context({{"rope_type", "linear"}, {"factor", 1e300}}), 1 << 30);
}

TEST(Config, ScoresAreReadAtTheLastTokenThatIsNotPadding) {
  ModelConfig config;
  const std::vector<std::int32_t> ids = {1, 2, 5, 2, 2};
  EXPECT_EQ(config.scored_token(ids), 4);
  config.pad_id = 2;
  EXPECT_EQ(config.scored_token(ids), 2);
  EXPECT_EQ(config.scored_token(std::span(ids).subspan(3)), 0);
  EXPECT_EQ(config.scored_token(std::span(ids).first(1)), 0);
}

TEST(ModelFiles, ASavedModelLoadsAndIsRestored) {
  for (const auto& json : {test::tiny_llama(), test::tiny_gpt2()}) {
    const test::TemporaryFolder folder;
    const Model first = Model::random(json, 1);
    first.save(folder / "a");
    EXPECT_EQ(load(folder / "a").fingerprint(), first.fingerprint());
    Model second = Model::random(json, 2);
    EXPECT_NE(second.fingerprint(), first.fingerprint());
    const auto parameters = second.trainable();
    second.restore(folder / "a");
    EXPECT_EQ(second.fingerprint(), first.fingerprint());
    EXPECT_TRUE(parameters[0].tensor.equal(first.weights().embedding));  // the same tensors, with new values
  }
}

TEST(ModelFiles, CheckpointsAreExactWhateverTheSourcesType) {
  const test::TemporaryFolder folder;
  Model::random(test::tiny_llama(), 1, "bfloat16").save(folder / "source");
  Model model = load(folder / "source");
  for (auto& parameter : model.trainable()) at::Tensor(parameter.tensor.detach()).add_(1e-6);
  model.save_result(folder / "rounded");
  model.save_result(folder / "exact", {.dtype = kMemoryDtype});
  Model again = load(folder / "source");
  again.restore(folder / "exact");
  EXPECT_EQ(again.fingerprint(), model.fingerprint());
  again.restore(folder / "rounded");
  EXPECT_NE(again.fingerprint(), model.fingerprint());
}

TEST(ModelFiles, PatternsOfTargetModulesMatchWholePathsAndEnd) {
  const TargetMatcher matcher(
      {"model\\.layers\\.\\d+\\.(.*\\.)?(q|q_proj)"});  // as re.fullmatch: tries q_proj too
  EXPECT_TRUE(matcher.matches("model.layers.11.self_attn.q_proj"));
  EXPECT_FALSE(matcher.matches("model.layers.11.self_attn.q_proj.base"));
  EXPECT_FALSE(matcher.matches("x.model.layers.11.self_attn.q_proj"));
  const auto refused = [](const std::string& pattern) -> std::string {
    try {
      TargetMatcher({pattern}).matches("model.layers.11.self_attn.q_proj");
      return "";
    } catch (const core::Error& error) {
      return error.what();
    }
  };
  EXPECT_THAT(refused("(q_proj"), testing::HasSubstr("is malformed at byte 8: missing closing parenthesis"));
  EXPECT_THAT(refused("(?:.|.)+(?=A|B)"), testing::HasSubstr("cannot be matched: match limit exceeded"));
}

TEST(ModelFiles, AdaptersAreRestored) {
  const test::TemporaryFolder folder;
  Model model = Model::random(test::tiny_llama(), 1);
  AdapterOptions options;
  options.type = "lora";
  model.add_adapter(options, 3);
  model.add_head("score", 4);
  for (auto& parameter : model.trainable()) at::Tensor(parameter.tensor.detach()).add_(0.125);
  model.save_result(folder / "adapter");
  Model again = Model::random(test::tiny_llama(), 1);
  again.add_adapter(options, 5);
  again.add_head("score", 6);
  EXPECT_NE(again.fingerprint(), model.fingerprint());
  again.restore(folder / "adapter");
  EXPECT_EQ(again.fingerprint(), model.fingerprint());
}

TEST(ModelFiles, NamesWhatIsMissing) {
  const test::TemporaryFolder folder;
  EXPECT_THAT(message_of([&] { load(folder / "nothing"); }), HasSubstr("no such folder"));
  core::ensure_folder(folder / "empty");
  EXPECT_THAT(message_of([&] { load(folder / "empty"); }), HasSubstr("config.json"));
  test::write_text(folder / "x.gguf", "GGUF");
  EXPECT_THAT(message_of([&] { load(folder / "x.gguf"); }), HasSubstr("GGUF"));
  test::write_text(folder / "empty/config.json", test::tiny_llama().dump());
  EXPECT_THAT(message_of([&] { load(folder / "empty"); }), HasSubstr("model.safetensors"));
  Model::random(test::tiny_llama(), 1).save(folder / "model");
  core::Json json = test::tiny_llama();
  json["num_hidden_layers"] = 3;
  test::write_text(folder / "model/config.json", json.dump());
  EXPECT_THAT(message_of([&] { load(folder / "model"); }),
              HasSubstr("model.layers.2.input_layernorm.weight"));
}

class Environment {
 public:
  Environment(const char* name, const std::string& value) : name_(name) { setenv(name, value.c_str(), 1); }
  ~Environment() { unsetenv(name_); }
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

 private:
  const char* name_;
};

TEST(Hub, FindsSnapshotsInTheCache) {
  const test::TemporaryFolder folder;
  const Environment cache("HF_HUB_CACHE", folder.path());
  const std::string root = folder / "models--org--name", commit(40, 'a');
  core::ensure_folder(root + "/snapshots/" + commit);
  core::ensure_folder(root + "/refs");
  test::write_text(root + "/refs/main", commit + "\n");
  EXPECT_EQ(net::resolve_model_folder("org/name"), root + "/snapshots/" + commit);
  EXPECT_EQ(net::resolve_model_folder("org/name@" + commit), root + "/snapshots/" + commit);
  EXPECT_THAT(message_of([] { net::resolve_model_folder("org/name@v2"); }), HasSubstr("'v2'"));
  EXPECT_THAT(message_of([] { net::resolve_model_folder("org/other"); }),
              HasSubstr("org/other is not in the Hugging Face cache"));
  EXPECT_THAT(message_of([] { net::resolve_model_folder("org/name@../../x"); }), HasSubstr("no such folder"));
  EXPECT_THAT(message_of([] { net::resolve_model_folder("./runs/new/model"); }), HasSubstr("no such folder"));
  test::write_text(root + "/refs/main", "../../../etc");
  EXPECT_THAT(message_of([] { net::resolve_model_folder("org/name"); }), HasSubstr("main"));
}

TEST(Hub, CacheFollowsTheEnvironment) {
  {
    const Environment home("HF_HOME", "/data/hf");
    EXPECT_EQ(net::hub_cache_folder(), "/data/hf/hub");
  }
  const Environment base("BASE_FOR_TEST", "/data");
  const Environment cache("HF_HUB_CACHE", "$BASE_FOR_TEST/x/${BASE_FOR_TEST}");
  EXPECT_EQ(net::hub_cache_folder(), "/data/x//data");
}

}  // namespace
}  // namespace attune::model
