// Lists of data sets, as Axolotl and the alignment handbook write them.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "cli/foreign/reader.h"

namespace attune::cli {
namespace {

using core::Value;

/// Axolotl's list of whose words are trained on: the assistant's, or everybody's.
void read_roles(ForeignReader& reader, const std::string& name, const Value& value) {
  if (value.is_null()) return;
  bool assistant = false, user = false, others = false;
  for (const Value& role : items_of(value)) {
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
  return std::ranges::any_of(items_of(list), names);
}

/// Axolotl's list: {path, split, weight}.
void read_datasets(ForeignReader& reader, const std::string& name, const Value& value) {
  std::vector<Value> entries;
  for (const Value& item : items_of(value)) entries.push_back(read_entry(reader, name, item));
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
  for (const Value& split : items_of(value))
    (is_test_split(split) ? testing : training).push_back(text_of(split));
  if (training.size() != 1 || testing.size() > 1)
    return reader.refuse(
        name, value,
        "one split is trained on and one evaluated on: dataset_train_split and dataset_test_split name them");
  reader.set("data.split", training.front(), value);
}

constexpr Reading kDatasetListReadings[] = {
    {"datasets", read_datasets},       {"test_datasets", read_datasets}, {"roles_to_train", read_roles},
    {"train_on_eos", read_end_tokens}, {"dataset_mixer", read_mixer},    {"dataset_splits", read_splits},
};

}  // namespace

std::span<const Reading> dataset_list_readings() { return kDatasetListReadings; }

}  // namespace attune::cli
