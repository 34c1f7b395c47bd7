// Names of what is learnt from.
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "algorithm/method.h"
#include "cli/foreign/reader.h"
#include "core/ascii.h"
#include "core/files/files.h"

namespace attune::cli {
namespace {

using core::Value;

void read_max_length(ForeignReader& reader, const std::string& name, const Value& value) {
  value.is_null() ? reader.set("data.max_length", "0", value) : reader.set_once(name, value);
}

void read_text_field(ForeignReader& reader, const std::string& name, const Value& value) {
  if (!value.is_scalar() || is_off(value) || value.text() == "text") return;
  if (is_of_another_trainer(reader, "sft"))
    return reader.refuse(name, value,
                         "it names the texts of SFT; data.columns renames columns of every method");
  reader.set("data.columns.text", value);
}

/// SFT's shuffles once before its sampler does, which shuffles anyway; GRPO's is that of the sampler.
void read_shuffle_dataset(ForeignReader& reader, const std::string& name, const Value& value) {
  if (value.is_null() || is_true(value)) return;
  if (is_of_trainer(reader, "grpo")) return reader.set("training.shuffle", "false", value);
  reader.note(name);
}

/// A configuration of a data set on the hub; a folder has none but the one.
void read_dataset_config(ForeignReader& reader, const std::string& name, const Value& value) {
  if (!is_off(value) && text_of(value) != "default") reader.refuse(name, value);
}

/// A template itself, or the name of one, which the model folder's stands for.
void read_chat_template(ForeignReader& reader, const std::string& name, const Value& value) {
  if (is_off(value)) return;
  text_of(value).find('{') != std::string::npos ? reader.refuse(name, value) : reader.note(name);
}

void read_sampling_strategy(ForeignReader& reader, const std::string& name, const Value& value) {
  const std::string text = text_of(value);
  if (text == "sequential") return reader.set("training.shuffle", "false", value);
  if (!is_off(value) && text != "random") reader.refuse(name, value, "random or sequential");
}

/// open-r1's name of the column of prompts.
void read_prompt_column(ForeignReader& reader, const std::string&, const Value& value) {
  if (!is_off(value) && text_of(value) != "prompt") reader.set("data.columns.prompt", value);
}

void read_test_split(ForeignReader& reader, const std::string& name, const Value&) {
  if (!is_on(reader.given("eval_strategy")) && !is_on(reader.given("evaluation_strategy"))) reader.note(name);
}

void read_shuffling(ForeignReader& reader, const std::string&, const Value& value) {
  if (!value.is_null()) reader.set("training.shuffle", is_true(value) ? "false" : "true", value);
}

/// Of the last turns or of all that was said.
void read_train_on_inputs(ForeignReader& reader, const std::string&, const Value& value) {
  if (!value.is_null()) reader.set("data.assistant_only", is_true(value) ? "false" : "true", value);
}

/// LLaMA-Factory trains LoRA on all layers unless told otherwise.
void adapter_unless(ForeignReader& reader, const Value& from) {
  if (const Value* own = reader.given("adapter"); own != nullptr && text_of(*own) == "none") return;
  if (const Value* tuning = reader.given("finetuning_type"); tuning != nullptr && text_of(*tuning) != "lora")
    return;
  reader.set_default("adapter.type", "lora", from, {"finetuning_type", "adapter_name_or_path"});
  reader.set_default("adapter.target_modules", "all-linear", from, {"lora_target", "adapter_name_or_path"});
  reader.set_default("adapter.rank", "8", from, {"lora_rank", "adapter_name_or_path"});
  reader.set_default("adapter.alpha", "16", from, {"lora_rank", "lora_alpha", "adapter_name_or_path"});
}

/// What Axolotl's `rl` calls a method, "" where there is none: its simpo is CPOTrainer's, likelihood included.
std::string method_of_rl(const std::string& name) {
  if (name == "simpo") return "cpo_simpo";
  const auto& entries = algorithm::method_entries();
  return std::ranges::any_of(entries, [&](const auto& entry) { return entry.first == name; }) ? name : "";
}

void read_stage(ForeignReader& reader, const std::string& name, const Value& value) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 10> kMethods = {
      {{"sft", "sft"},
       {"pt", "sft"},
       {"dpo", "dpo"},
       {"kto", "kto"},
       {"rm", "bradley_terry"},
       {"ipo", "ipo"},
       {"orpo", "orpo"},
       {"simpo", "cpo_simpo"},
       {"grpo", "dapo"},
       {"reward", "bradley_terry"}}};
  const std::string text = text_of(value);
  const auto at =
      std::find_if(kMethods.begin(), kMethods.end(), [&](const auto& known) { return known.first == text; });
  const std::string method = at != kMethods.end() ? std::string(at->second)
                             : name == "rl"       ? method_of_rl(text)
                                                  : "";
  if (method.empty()) {
    if (!is_off(value)) reader.refuse(name, value, "no method '" + text + "'; see attune list methods");
    return;
  }
  reader.set("method.name", method, value);
  // Both programs learn demonstrations by what the assistant said, unless a setting of theirs says otherwise.
  if (text == "sft") reader.learn_replies(value);
  if (name == "stage") adapter_unless(reader, value);
}

/// Axolotl's switches of what is learnt, beside `rl`. LLaMA-Factory's reward_model is a model that rates.
void read_reward_switch(ForeignReader& reader, const std::string& name, const Value& value) {
  if (is_off(value)) return;
  if (!is_true(value))
    return reader.refuse(name, value,
                         "true trains one; one that rates answers is of attune score reward_model=FOLDER");
  reader.set("method.name", name == "reward_model" ? "bradley_terry" : "prm", value);
}

/// Where dataset_info.json has an entry's file, "" where it has none.
std::string listed_file(const std::string& folder, const std::string& name) {
  const std::string path = core::join_path(folder, "dataset_info.json");
  if (!core::fs::exists(path)) return "";
  const core::Json entries = core::parse_json(core::read_file(path), path);
  const bool listed = entries.is_object() && entries.contains(name) && entries[name].is_object() &&
                      entries[name].value("file_name", core::Json()).is_string();
  return listed ? core::join_path(folder, entries[name]["file_name"].get<std::string>()) : "";
}

/// A name of LLaMA-Factory's `dataset`: a file, also in its folder and without its ending; "" where there is
/// none.
std::string found_file(const std::string& folder, const std::string& name) {
  for (const std::string& path :
       {core::join_path(folder, name), name, listed_file(folder, name),
        core::join_path(folder, name + ".json"), core::join_path(folder, name + ".jsonl")})
    if (!path.empty() && core::fs::exists(path)) return path;
  return "";
}

/// LLaMA-Factory's: names, separated by commas, that are files here or in dataset_dir.
void read_dataset(ForeignReader& reader, const std::string& name, const Value& value) {
  const std::string ours = name == "eval_dataset" ? "eval.data" : "data";
  const Value* said = ours == "data" ? reader.given("data") : nullptr;
  const bool said_as_ours =
      said != nullptr ? !said->is_map() || said->find("path") != nullptr : reader.given_as_ours(ours);
  if (value.is_null() || said_as_ours) return;
  if (!value.is_scalar()) return reader.set(ours, value);
  const Value* dir = reader.given("dataset_dir");
  const std::string folder = dir == nullptr ? "data" : text_of(*dir);
  std::vector<Value> files;
  std::vector<std::string> missing;
  for (const std::string& part : parts_of(value.text())) {
    const std::string file = found_file(folder, part);
    if (file.empty() && name == "eval_dataset" && dir == nullptr)
      return reader.set(ours, value);  // TRL's is one name, which reading it will speak of
    if (file.empty()) missing.push_back("'" + part + "'");
    files.push_back(Value::scalar(file, true, value.place()));
  }
  if (!missing.empty())
    return reader.refuse(
        name, value,
        fmt::format(
            "no file {} is here or in {}, and its dataset_info.json names none; give {}",
            fmt::join(missing, " and no file "), folder,
            files.size() == 1 ? "the file, " + ours + "=FILE" : "the files, " + ours + "=[FILE, FILE]"));
  reader.set(ours, files.size() == 1 ? files[0] : Value::list(files, value.place()));
}

constexpr Reading kDataReadings[] = {
    {"max_length", read_max_length},
    {"max_seq_length", read_max_length},
    {"dataset_text_field", read_text_field},
    {"dataset_prompt_column", read_prompt_column},
    {"shuffle_dataset", read_shuffle_dataset},
    {"chat_template", read_chat_template},
    {"dataset_config", read_dataset_config},
    {"dataset_config_name", read_dataset_config},
    {"train_sampling_strategy", read_sampling_strategy},
    {"dataset_test_split", read_test_split},
    {"disable_shuffling", read_shuffling},
    {"train_on_inputs", read_train_on_inputs},
    {"train_on_prompt", read_train_on_inputs},
    {"stage", read_stage},
    {"rl", read_stage},
    {"reward_model", read_reward_switch},
    {"process_reward_model", read_reward_switch},
    {"dataset", read_dataset},
    {"eval_dataset", read_dataset},
    {"dataset_dir", read_nothing},
};

}  // namespace

std::span<const Reading> data_readings() { return kDataReadings; }

}  // namespace attune::cli
