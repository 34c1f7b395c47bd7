#include "model/adapter.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "core/config/nearest.h"
#include "core/error.h"
#include "model/family.h"

namespace attune::model {
namespace {

std::vector<std::string> known_kinds() {
  std::vector<std::string> names;
  for (const auto& [name, make] : adapter_entries()) names.emplace_back(name);
  return names;
}

std::string text_of(const core::Json& config, const char* key) {
  const auto found = config.find(key);
  return found != config.end() && found->is_string() ? found->get<std::string>() : "";
}

}  // namespace

void AdapterOptions::declare(core::Fields& fields) {
  std::string help = "none trains every weight";
  std::vector<std::string> types = {"none"};
  for (const auto& [name, make] : adapter_entries()) {
    const AdapterInfo info = make()->info();
    types.push_back(info.name);
    help += "; " + info.name + " trains " + info.trains;
  }
  fields.add("type", type, help + ".").one_of(types);
  fields.add("rank", rank, "Rank of the update.").alias("r").positive();
  fields.add("alpha", alpha, "The update is scaled by alpha / rank (alpha / sqrt(rank) with rslora).")
      .alias("lora_alpha")
      .positive();
  fields.add("dropout", dropout, "Dropout on the adapter's input.").alias("lora_dropout").range(0, 0.999);
  fields.add(
      "target_modules", target_modules,
      "Layers with an adapter: name suffixes, one regular expression, or all-linear (every linear layer but "
      "the output head). The head (lm_head) and the embedding (embed_tokens) are named to be among them.");
  fields.add("modules_to_save", modules_to_save,
             "Modules that are trained whole beside the adapter and saved with it: ends of names (lm_head, "
             "embed_tokens, norm).");
  fields.add("rslora", rslora, "Scale by alpha / sqrt(rank) (Kalajdzievski 2023).").alias("use_rslora");
  fields.add("init", init, "How A starts: default (Kaiming-uniform) or gaussian; B starts at zero.")
      .alias("init_lora_weights")
      .one_of({"default", "gaussian"});
  for (const auto& [name, make] : adapter_entries()) make()->declare(fields, *this);
}

bool AdapterInfo::heeds(std::string_view option) const {
  return option == "type" || option == "target_modules" || option == "modules_to_save" ||
         std::ranges::find(options, option) != options.end();
}

LayerAdapter LayerAdapter::frozen() const {
  LayerAdapter copy{kind, {}, scale, 0};
  for (const at::Tensor& tensor : tensors) copy.tensors.push_back(tensor.detach().clone());
  return copy;
}

std::vector<std::string> Adapter::default_targets(const FamilyInfo& family) const {
  return family.default_lora_targets;
}

bool Adapter::reads(const core::Json& config) const {
  return text_of(config, "peft_type") == info().peft_type;
}

at::Tensor Adapter::looked_up(const LayerAdapter&, const at::Tensor&) const {
  core::assertion_failed("an adapter with lookup_tensors() has looked_up()", __FILE__, __LINE__);
}

std::string Adapter::refusal(const std::string&) const { return ""; }

const Adapter& adapter_named(std::string_view name) {
  for (const auto& [known, make] : adapter_entries())
    if (known == name) return *make();
  std::vector<std::string> known = known_kinds();
  known.emplace_back("none");
  core::fail_request("adapter.type: no adapter is called '{}'{}", name, core::did_you_mean(name, known));
}

const Adapter& adapter_reading(const core::Json& config, const std::string& where) {
  for (const auto& [name, make] : adapter_entries())
    if (make()->reads(config)) return *make();
  core::fail_request(
      "{}: peft_type is '{}': no such adapter can be read; there are: {}. Merge it with PEFT first, and load "
      "the merged model",
      where, text_of(config, "peft_type").substr(0, 80), fmt::join(known_kinds(), ", "));
}

}  // namespace attune::model
