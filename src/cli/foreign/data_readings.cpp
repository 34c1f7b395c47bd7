// Names of what is learnt from.
#include <algorithm>
#include <array>

#include "cli/foreign/reader.h"
#include "core/files/files.h"

namespace attune::cli {
namespace {

using core::Value;

void read_max_length(ForeignReader& reader, const std::string&, const Value& value) {
  value.is_null() ? reader.set("data.max_length", "0", value) : reader.set("data.max_length", value);
}

void read_text_field(ForeignReader& reader, const std::string&, const Value& value) {
  if (value.is_scalar() && !is_off(value) && value.text() != "text") reader.set("data.columns.text", value);
}

void read_sampling_strategy(ForeignReader& reader, const std::string& name, const Value& value) {
  const std::string text = value.is_scalar() ? value.text() : "";
  if (text == "sequential") return reader.set("training.shuffle", "false", value);
  if (!is_off(value) && text != "random") reader.refuse(name, value, "random or sequential");
}

void read_test_split(ForeignReader& reader, const std::string&, const Value& value) {
  const Value *asked = reader.given("eval_strategy"), *data = reader.given("dataset_name");
  if (asked == nullptr || is_off(*asked) || data == nullptr || is_off(value)) return;
  reader.set("eval.data", Value::map({{"path", *data}, {"split", value}}, value.place()));
}

void read_shuffling(ForeignReader& reader, const std::string&, const Value& value) {
  if (!value.is_null()) reader.set("training.shuffle", is_true(value) ? "false" : "true", value);
}

/// Of the last turns or of all that was said.
void read_train_on_inputs(ForeignReader& reader, const std::string&, const Value& value) {
  if (!value.is_null()) reader.set("data.assistant_only", is_true(value) ? "false" : "true", value);
}

/// Both programs learn demonstrations by what the assistant said, unless a setting of theirs says otherwise.
void assistant_only_unless(ForeignReader& reader, std::string_view told_by, const Value& from) {
  const Value* data = reader.given("data");
  const bool told =
      reader.given(told_by) != nullptr || (data != nullptr && data->find("assistant_only") != nullptr);
  if (!told) reader.set("data.assistant_only", "true", from);
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
  const std::string text = value.is_scalar() ? value.text() : "";
  const auto at =
      std::find_if(kMethods.begin(), kMethods.end(), [&](const auto& known) { return known.first == text; });
  if (at == kMethods.end()) {
    if (!is_off(value)) reader.refuse(name, value, "no method '" + text + "'; see attune list methods");
    return;
  }
  reader.set("method.name", std::string(at->second), value);
  if (text == "sft") assistant_only_unless(reader, "train_on_prompt", value);
}

/// LLaMA-Factory's: names, separated by commas, that are files here, in dataset_dir where that is given.
void read_dataset(ForeignReader& reader, const std::string& name, const Value& value) {
  const std::string ours = name == "eval_dataset" ? "eval.data" : "data";
  if (value.is_null()) return;
  if (!value.is_scalar()) return reader.set(ours, value);
  const Value* folder = reader.given("dataset_dir");
  std::vector<Value> files;
  std::string rest = value.text() + ",";
  for (std::size_t comma; (comma = rest.find(',')) != std::string::npos; rest = rest.substr(comma + 1)) {
    std::string file = rest.substr(0, comma);
    file = file.substr(std::min(file.find_first_not_of(' '), file.size()));
    if (folder != nullptr && core::fs::exists(core::join_path(folder->text(), file)))
      file = core::join_path(folder->text(), file);
    if (!core::fs::exists(file) && name == "eval_dataset" && folder == nullptr)
      return reader.set(ours, value);  // TRL's is one name, which reading it will speak of
    if (!core::fs::exists(file))
      return reader.refuse(name, value,
                           "no file is called '" + file +
                               "'; names of dataset_info.json are not read: "
                               "give the file, data=FILE");
    files.push_back(Value::scalar(file, true, value.place()));
  }
  reader.set(ours, files.size() == 1 ? files[0] : Value::list(files, value.place()));
}

void read_nothing(ForeignReader&, const std::string&, const Value&) {}

/// Axolotl's list: {path, split, weight}; what only says how rows look is recognised here.
void read_datasets(ForeignReader& reader, const std::string& name, const Value& value) {
  constexpr std::array<std::string_view, 9> kLooks = {"type",
                                                      "ds_type",
                                                      "field_messages",
                                                      "message_field_role",
                                                      "message_field_content",
                                                      "message_property_mappings",
                                                      "chat_template",
                                                      "roles",
                                                      "conversation"};
  std::vector<Value> entries;
  for (const Value& item : value.is_list() ? value.items() : std::vector<Value>{value}) {
    Value entry = Value::map({}, item.place());
    for (const auto& [key, inner] : item.entries()) {
      if (key == "path" || key == "split" || key == "weight") {
        entry.entries().emplace_back(key, inner);
      } else if (std::find(kLooks.begin(), kLooks.end(), key) == kLooks.end()) {
        reader.refuse(name + "." + key, inner,
                      "entries have path, split and weight; data.columns names columns");
      }
    }
    entries.push_back(item.is_map() ? entry : item);
  }
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
  if (reader.given("rl") != nullptr || reader.given("method") != nullptr) return;
  reader.set("method.name", "sft", value);
  assistant_only_unless(reader, "train_on_inputs", value);
}

constexpr Reading kDataReadings[] = {
    {"max_length", read_max_length},
    {"max_seq_length", read_max_length},
    {"dataset_text_field", read_text_field},
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
};

}  // namespace

std::span<const Reading> data_readings() { return kDataReadings; }

}  // namespace attune::cli
