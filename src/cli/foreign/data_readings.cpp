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

/// Whether a method is named, and it is of another trainer.
bool is_of_another_trainer(const ForeignReader& reader, std::string_view trainer) {
  return method_of(reader) != nullptr && !is_of_trainer(reader, trainer);
}

void read_max_length(ForeignReader& reader, const std::string&, const Value& value) {
  value.is_null() ? reader.set("data.max_length", "0", value) : reader.set("data.max_length", value);
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

void read_stage(ForeignReader& reader, const std::string& name, const Value& value) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 8> kMethods = {
      {{"sft", "sft"},
       {"pt", "sft"},
       {"dpo", "dpo"},
       {"kto", "kto"},
       {"rm", "bradley_terry"},
       {"ipo", "ipo"},
       {"grpo", "dapo"},
       {"reward", "bradley_terry"}}};
  const std::string text = text_of(value);
  const auto at =
      std::find_if(kMethods.begin(), kMethods.end(), [&](const auto& known) { return known.first == text; });
  if (at == kMethods.end()) {
    if (!is_off(value)) reader.refuse(name, value, "no method '" + text + "'; see attune list methods");
    return;
  }
  reader.set("method.name", std::string(at->second), value);
  // Both programs learn demonstrations by what the assistant said, unless a setting of theirs says otherwise.
  if (text == "sft") reader.set_default("data.assistant_only", "true", value, {"train_on_prompt"});
  if (name == "stage") adapter_unless(reader, value);
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

void read_nothing(ForeignReader&, const std::string&, const Value&) {}

/// Axolotl's list of whose words are trained on: the assistant's, or everybody's.
void read_roles(ForeignReader& reader, const std::string& name, const Value& value) {
  if (value.is_null()) return;
  bool assistant = false, user = false, others = false;
  for (const Value& role : value.is_list() ? value.items() : std::vector<Value>{value}) {
    const std::string text = text_of(role);
    const bool replies = text == "assistant" || text == "gpt" || text == "model";
    const bool asks = text == "user" || text == "human";
    assistant = assistant || replies;
    user = user || asks;
    others = others || !(replies || asks || text == "system" || text == "tool");
  }
  if (!assistant || others)
    return reader.refuse(
        name, value,
        "data.assistant_only=true trains on what the assistant said, false on everything; completion "
        "masks of one's own come with the rows (completion_mask beside completion_ids)");
  reader.set("data.assistant_only", user ? "false" : "true", value);
}

/// Axolotl's: which turns' end tokens are learned.
void read_end_tokens(ForeignReader& reader, const std::string& name, const Value& value) {
  const std::string text = text_of(value);
  if (is_off(value) && text != "none") return;
  if (text == "turn") return reader.note(name, "the end of a turn that is trained on is trained on");
  reader.refuse(name, value, "the end of each turn that is trained on is trained on, as turn says");
}

/// What of an entry only says how its rows look, which is recognised here.
constexpr std::array<std::string_view, 11> kLooks = {"type",
                                                     "ds_type",
                                                     "field_messages",
                                                     "message_field_role",
                                                     "message_field_content",
                                                     "message_property_mappings",
                                                     "chat_template",
                                                     "roles",
                                                     "conversation",
                                                     "field_chosen",
                                                     "field_rejected"};

Value read_entry(ForeignReader& reader, const std::string& name, const Value& item) {
  if (!item.is_map()) return item;
  Value entry = Value::map({}, item.place());
  for (const auto& [key, inner] : item.entries()) {
    if (key == "path" || key == "split" || key == "weight") {
      entry.entries().emplace_back(key, inner);
    } else if (key == "roles_to_train") {
      read_roles(reader, key, inner);
    } else if (key == "train_on_eos") {
      read_end_tokens(reader, key, inner);
    } else if (std::find(kLooks.begin(), kLooks.end(), key) == kLooks.end()) {
      reader.refuse(name + "." + key, inner,
                    "entries have path, split and weight; data.columns names columns");
    }
  }
  return entry;
}

bool names_roles(const Value& list) {
  const auto names = [](const Value& item) {
    const Value* roles = item.find("roles_to_train");
    return roles != nullptr && !roles->is_null();
  };
  return list.is_list() ? std::any_of(list.items().begin(), list.items().end(), names) : names(list);
}

/// Axolotl's list: {path, split, weight}.
void read_datasets(ForeignReader& reader, const std::string& name, const Value& value) {
  std::vector<Value> entries;
  for (const Value& item : value.is_list() ? value.items() : std::vector<Value>{value})
    entries.push_back(read_entry(reader, name, item));
  if (entries.empty()) return;
  if (name == "test_datasets")
    return reader.set("eval.data",
                      entries.size() == 1 ? entries[0] : Value::list(std::move(entries), value.place()));
  if (entries.size() > 1) {
    reader.set("data.path", Value::list(std::move(entries), value.place()));
  } else if (entries.front().is_map()) {
    for (const auto& [key, inner] : entries.front().entries()) reader.set("data." + key, inner);
  } else {
    reader.set("data.path", entries.front());
  }
  const bool of_trl = reader.given("model_name_or_path") != nullptr;
  if (of_trl || reader.given("rl") != nullptr || reader.given("method") != nullptr) return;
  reader.set("method.name", "sft", value);
  if (!names_roles(value)) reader.set_default("data.assistant_only", "true", value, {"train_on_inputs"});
}

/// The alignment handbook's {data set: share}: of all rows where the share is 1.
void read_mixer(ForeignReader& reader, const std::string& name, const Value& value) {
  if (is_off(value)) return;
  std::vector<Value> paths;
  for (const auto& [path, share] : value.entries()) {
    if (share.to_json() != 1)
      return reader.refuse(name, value,
                           "shares other than 1 take so many of the rows of each: "
                           "data=[{path: A, weight: 0.5}, {path: B}] does");
    paths.push_back(Value::scalar(path, true, share.place()));
  }
  if (paths.empty()) return reader.refuse(name, value);
  reader.set("data", paths.size() == 1 ? paths[0] : Value::list(paths, value.place()));
}

/// Its list of splits: those for training, and those to evaluate on.
void read_splits(ForeignReader& reader, const std::string& name, const Value& value) {
  std::vector<std::string> training, testing;
  for (const Value& split : value.is_list() ? value.items() : std::vector<Value>{value})
    (text_of(split).find("test") != std::string::npos ? testing : training).push_back(text_of(split));
  if (training.size() != 1 || testing.size() > 1)
    return reader.refuse(
        name, value,
        "one split is trained on and one evaluated on: dataset_train_split and dataset_test_split name them");
  reader.set("data.split", training.front(), value);
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
    {"dataset", read_dataset},
    {"eval_dataset", read_dataset},
    {"dataset_dir", read_nothing},
    {"datasets", read_datasets},
    {"test_datasets", read_datasets},
    {"roles_to_train", read_roles},
    {"train_on_eos", read_end_tokens},
    {"dataset_mixer", read_mixer},
    {"dataset_splits", read_splits},
};

}  // namespace

std::span<const Reading> data_readings() { return kDataReadings; }

}  // namespace attune::cli
