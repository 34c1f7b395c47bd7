// Lists of data sets, as Axolotl and the alignment handbook write them.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "cli/foreign/reader.h"
#include "core/files/files.h"

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
constexpr std::array<std::string_view, 12> kLooks = {"type",
                                                     "field",
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

/// Files of a builder's name (`path: json`), or below a folder's.
Value files_of_entry(const Value& path, const Value& files) {
  constexpr std::array<std::string_view, 4> kBuilders = {"json", "csv", "text", "parquet"};
  const bool builder =
      path.is_null() || std::ranges::find(kBuilders, std::string_view(text_of(path))) != kBuilders.end();
  std::vector<Value> found;
  for (const Value& file : items_of(files)) {
    const std::string name = builder ? text_of(file) : core::join_path(text_of(path), text_of(file));
    found.push_back(Value::scalar(name, true, file.place()));
  }
  return found.size() == 1 ? found.front() : Value::list(std::move(found), files.place());
}

/// What says how the rows of an entry are read. @return whether it was that
bool read_look(ForeignReader& reader, const std::string& name, const std::string& key, const Value& value) {
  if (key == "name" || key == "data_dir") {
    if (!is_off(value) && text_of(value) != "default")
      reader.refuse(
          name, value,
          fmt::format("{} '{}': a folder has no configurations: give the folder or file of that one as path",
                      key, text_of(value)));
    return true;
  }
  if (key == "type" && value.is_map()) {
    reader.refuse(
        name, value,
        "type: no prompts are put together here: write the rows as prompt and completion, or as messages, which "
        "the chat template shows");
    return true;
  }
  return key == "columns" || std::find(kLooks.begin(), kLooks.end(), key) != kLooks.end();
}

Value read_entry(ForeignReader& reader, const std::string& name, const Value& item) {
  if (!item.is_map()) return item;
  Value entry = Value::map({}, item.place());
  const Value *path = item.find("path"), *files = item.find("data_files");
  if (files != nullptr && !is_off(*files))
    entry.entries().emplace_back("path", files_of_entry(path == nullptr ? Value() : *path, *files));
  else if (path != nullptr)
    entry.entries().emplace_back("path", *path);
  for (const auto& [key, inner] : item.entries()) {
    if (key == "path" || key == "data_files") continue;
    if (key == "split" || key == "weight") {
      const bool says_nothing = inner.is_null() || (key == "weight" && inner.to_json() == 1);
      if (!says_nothing) entry.entries().emplace_back(key, inner);
    } else if (key == "roles_to_train") {
      read_roles(reader, key, inner);
    } else if (key == "train_on_eos") {
      read_end_tokens(reader, key, inner);
    } else if (key == "step_separator" || key == "max_completion_length") {
      reader.take(key, inner);  // of stepwise data
    } else if (!read_look(reader, name, key, inner) && !is_off(inner)) {
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
  for (std::size_t i = 0; i < entries.size() && name != "test_datasets"; ++i)
    read_columns_of_entry(reader, name, items_of(value)[i], entries[i], entries.size() == 1);
  if (name == "test_datasets")
    return reader.set("eval.data",
                      entries.size() == 1 ? entries[0] : Value::list(std::move(entries), value.place()));
  if (entries.size() > 1 || entries.front().find("weight") != nullptr) {
    reader.set("data.path", Value::list(std::move(entries), value.place()));
  } else if (entries.front().is_map()) {
    for (const auto& [key, inner] : entries.front().entries()) reader.set("data." + key, inner);
  } else {
    reader.set("data.path", entries.front());
  }
  constexpr std::array<std::string_view, 5> kMethods = {"model_name_or_path", "rl", "method", "reward_model",
                                                        "process_reward_model"};
  if (std::ranges::any_of(kMethods, [&](auto key) { return is_on(reader.given(key)); })) return;
  reader.set("method.name", "sft", value);
  if (!names_roles(value)) reader.learn_replies(value);
}

/// The alignment handbook's later {datasets: [{id, config, split, columns, weight}], test_split_size, seed}.
void read_mixture(ForeignReader& reader, const std::string& name, const Value& value) {
  if (is_off(value)) return;
  const Value* list = value.find("datasets");
  if (list == nullptr || !list->is_list()) return reader.refuse(name, value);
  std::vector<Value> entries;
  for (const Value& item : list->items()) {
    Value entry = Value::map({}, item.place());
    for (const auto& [key, inner] : item.entries())
      entry.entries().emplace_back(key == "id" ? "path" : key == "config" ? "name" : key, inner);
    entries.push_back(item.is_map() ? std::move(entry) : item);
  }
  read_datasets(reader, name, Value::list(std::move(entries), list->place()));
  if (const Value* share = value.find("test_split_size"); is_on(share)) reader.set("val_size", *share);
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
    {"datasets", read_datasets},     {"dataset_mixture", read_mixture}, {"test_datasets", read_datasets},
    {"roles_to_train", read_roles},  {"train_on_eos", read_end_tokens}, {"dataset_mixer", read_mixer},
    {"dataset_splits", read_splits},
};

}  // namespace

std::span<const Reading> dataset_list_readings() { return kDatasetListReadings; }

}  // namespace attune::cli
