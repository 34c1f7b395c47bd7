// config.json through the model families. Input: config.json, a NUL byte, adapter_config.json (may be
// absent).
#include "core/json.h"
#include "model/adapter_targets.h"
#include "model/family.h"
#include "model/files/peft.h"
#include "tests/fuzz/input.h"

namespace attune::fuzz {
namespace {

void configure(const core::Json& json) {
  const model::Family& family = model::family_of(json, "config.json");
  const model::ModelConfig config = family.configure(json, "config.json");
  expect(config.vocab_size > 0 && config.hidden_size > 0 && config.layers > 0, "a size is not positive");
  expect(config.heads > 0 && config.kv_heads > 0 && config.head_dim > 0, "heads are missing");
  expect(config.heads % config.kv_heads == 0, "key-value heads do not divide the heads");
  expect(static_cast<std::int64_t>(config.windows.size()) == config.layers, "a layer without its window");
  expect(config.rope_of.empty() || static_cast<std::int64_t>(config.rope_of.size()) == config.layers,
         "a layer does not know how it rotates");
  expect(config.mlps.empty() || static_cast<std::int64_t>(config.mlps.size()) == config.layers,
         "a layer does not know its MLP");
  expect(!family.names(config).embedding.empty(), "the embedding has no name");
  for (const std::int64_t length : {0, 1, 4096, 1 << 30}) config.table_of(length);
}

void run(std::string_view input) {
  const auto parts = parts_of(input, 2);
  if (!parts[1].empty()) {
    const std::string folder = scratch_folder().path();
    scratch_folder().write("adapter_config.json", parts[1]);
    accepts([&] { model::base_of_adapter(folder); });
    accepts([&] {
      const auto options = model::adapter_options_of(folder);
      model::TargetMatcher(options.target_modules).matches("model.layers.11.self_attn.q_proj");
    });
  }
  configure(core::parse_json(parts[0], "config.json"));
}

}  // namespace
}  // namespace attune::fuzz

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  attune::fuzz::accepts([&] { attune::fuzz::run(attune::fuzz::text_of(data, size)); });
  return 0;
}
