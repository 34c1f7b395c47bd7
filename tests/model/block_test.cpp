// Every flag of ModelConfig, and all that a layer can be at once: training, decoding, saving.
#include "model/block/block.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

#include <map>
#include <string>

#include "decoded.h"
#include "gradients.h"
#include "model/model.h"
#include "support.h"

namespace attune::model {
namespace {

using test::operator+;

core::Json zz_config(const core::Json& flags, std::int64_t key_heads = 2) {
  core::Json json = {{"model_type", "zz_family"}, {"num_key_value_heads", key_heads}};
  json["flags"] = core::Json::parse(R"({"ropes": [{"dims": 4}]})");
  json["flags"].update(flags);
  return json;
}

struct FlagCase {
  core::Json flags;
  std::int64_t key_heads = 2;
};

/// What makes each flag matter. @see ATTUNE_MODEL_FLAGS
std::map<std::string, FlagCase> flag_cases() {
  const auto flags = [](const char* text) { return FlagCase{core::Json::parse(text)}; };
  return {
      {"norm", flags(R"({"norm": 1})")},
      {"norm_eps", flags(R"({"norm_eps": 0.1})")},
      {"norm_plus_one", flags(R"({"norm_plus_one": true})")},
      {"pre_norms", flags(R"({"pre_norms": false, "post_norms": true})")},
      {"post_norms", flags(R"({"post_norms": true})")},
      {"parallel_block", flags(R"({"parallel_block": true})")},
      {"activation", flags(R"({"activation": 1})")},
      {"mlps", flags(R"({"mlps": [1, 0, 1]})")},
      {"fused_gate_up", flags(R"({"fused_gate_up": true, "mlps": [0, 1, 0]})")},
      {"fused_qkv", flags(R"({"fused_qkv": true, "value_dim": 3})")},
      {"qkv_per_head",
       {core::Json::parse(R"({"fused_qkv": true, "qkv_per_head": true, "value_dim": 5})"), 4}},
      {"qk_norm", flags(R"({"qk_norm": true})")},
      {"value_dim", flags(R"({"value_dim": 6})")},
      {"qkv_bias", flags(R"({"qkv_bias": true})")},
      {"output_bias", flags(R"({"output_bias": true})")},
      {"mlp_bias", flags(R"({"mlp_bias": true})")},
      {"head_bias", flags(R"({"head_bias": true})")},
      {"tie_embeddings", flags(R"({"tie_embeddings": true})")},
      {"learned_positions", flags(R"({"learned_positions": true, "ropes": []})")},
      {"embedding_scale", flags(R"({"embedding_scale": 4.0})")},
      {"attention_scale", flags(R"({"attention_scale": 0.1})")},
      {"scale_by_layer", flags(R"({"scale_by_layer": true})")},
      {"attention_softcap", flags(R"({"attention_softcap": 0.5})")},
      {"alibi_slopes", flags(R"({"alibi_slopes": [0.5, 0.25, 0.125, 0.0625]})")},
      {"windows", flags(R"({"windows": [3, 0, 7]})")},
      {"ropes", flags(R"({"ropes": [{"dims": 2, "kind": 2, "factor": 3.0, "theta": 100.0}]})")},
      {"rope_of", flags(R"({"ropes": [{"dims": 4}, {"dims": 2, "theta": 50.0}], "rope_of": [1, -1, 0]})")},
      {"logit_softcap", flags(R"({"logit_softcap": 2.0})")},
  };
}

/// Longer than a block of the cache and than every window.
const test::Ids kText = test::run(3, 21) + test::Ids{40, 2, 41, 9} + test::run(30, 12);

void check_decoding(const Model& model, const std::string& what) {
  const at::Tensor forward = test::forward_logps(model, kText);
  for (const std::size_t prompt : {std::size_t{1}, std::size_t{18}}) {
    const auto rest = static_cast<std::int64_t>(prompt) - 1;
    // keys, values and the softmax of decoding are float32
    EXPECT_LT(test::furthest(test::decoded_logps(model, kText, prompt),
                             forward.narrow(0, rest, forward.size(0) - rest)),
              test::decoding_tolerance(model, forward))
        << what << ", a prompt of " << prompt;
  }
}

void check_saving(Model& model, const std::string& what) {
  const test::TemporaryFolder folder;
  model.save(folder.path());
  const Model loaded = Model::load({.path = folder.path(), .dtype = "float64"});
  EXPECT_EQ(test::furthest(test::forward_logps(loaded, kText), test::forward_logps(model, kText)), 0) << what;
}

/// The model with one flag's case beside the same weights without it; skipped where the flag changes which
/// weights there are, as it then cannot go unnoticed.
void check_that_it_matters(Model& model, const std::string& what) {
  Model plain = test::sharp_model(zz_config(core::Json::object()));
  const auto with = model.named_weights(), without = plain.named_weights();
  if (with.size() != without.size()) return;
  for (std::size_t i = 0; i < with.size(); ++i)
    if (with[i].first != without[i].first || with[i].second.sizes() != without[i].second.sizes()) return;
  for (std::size_t i = 0; i < with.size(); ++i) at::Tensor(without[i].second.detach()).copy_(with[i].second);
  EXPECT_GT(test::furthest(test::forward_logps(plain, kText), test::forward_logps(model, kText)), 1e-6)
      << what;
}

TEST(ModelFlags, EachHasACaseHere) {
  const ModelConfig config;
  const auto cases = flag_cases();
  std::size_t flags = 0;
  for_each_flag(config, [&](const std::string& name, const auto&, const char* meaning) {
    EXPECT_TRUE(cases.contains(name)) << name << " (" << meaning << ") is never tried";
    ++flags;
  });
  EXPECT_EQ(flags, cases.size());
}

TEST(ModelFlags, EachDecodesAsItTrainsAndIsSaved) {
  for (const auto& [name, one] : flag_cases()) {
    Model model = test::sharp_model(zz_config(one.flags, one.key_heads));
    check_decoding(model, name);
    check_saving(model, name);
    if (one.key_heads == 2) check_that_it_matters(model, name);
  }
}

TEST(ModelFlags, EachHasRightGradientsOnAForest) {
  const test::Case one = test::all_cases()[4];
  for (const auto& [name, flags] : flag_cases()) {
    Model model = test::sharp_model(zz_config(flags.flags, flags.key_heads));
    EXPECT_NEAR(test::weighted_logps(model, one, true), test::weighted_logps(model, one, false), 1e-10)
        << name;
    test::check_gradients(model, one, false, name);
  }
}

TEST(FamilyDouble, HasEverythingAtOnceFromItsOneFile) {
  const core::Json json = {{"model_type", "zz_family"}};
  Model model = test::sharp_model(json);
  EXPECT_TRUE(model.config().post_norms && model.config().fused_gate_up);
  EXPECT_GT(model.config().attention_softcap, 0);
  EXPECT_NE(model.config().value_width(), model.config().head_dim);
  check_decoding(model, "everything");
  check_saving(model, "everything");
  for (const test::Case& one : test::all_cases())
    if (one.sequences.size() > 1) test::check_gradients(model, one, one.name == "two levels", "everything");
}

TEST(FamilyDouble, ItsAdaptersDecodeAsTheyTrain) {
  Model model = test::sharp_model({{"model_type", "zz_family"}});
  AdapterOptions options;
  options.type = "lora";
  options.rank = 3;
  model.add_adapter(options, 5);
  const at::Tensor before = test::forward_logps(model, kText);
  for (auto& parameter : model.trainable()) at::Tensor(parameter.tensor.detach()).add_(0.05);
  EXPECT_GT(test::furthest(test::forward_logps(model, kText), before), 1e-3);
  check_decoding(model, "with an adapter");
}

TEST(Decoder, ReadsPromptsThatShareAsOneAtATime) {
  Model model = test::sharp_model({{"model_type", "zz_family"}});
  const test::Case one = test::all_cases()[4];
  const Decoder decoder(model.weights(), model.config(), Weights::kPolicy);
  const KvPool pool(decoder.shape());
  const auto forest = one.forest();
  const auto prompts = decoder.read_prompts(forest, pool);
  const c10::NoGradGuard no_grad;
  for (std::size_t s = 0; s < one.sequences.size(); ++s) {
    const test::Case alone{"", {one.sequences[s]}, {}};
    const at::Tensor hidden = model.hidden(alone.forest());
    EXPECT_LT(test::furthest(prompts[s].hidden, hidden[-1]),
              test::hidden_tolerance(model, hidden, hidden.size(0)));
  }
}

}  // namespace
}  // namespace attune::model
