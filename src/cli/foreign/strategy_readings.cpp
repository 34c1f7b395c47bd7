// Names of when a run logs, saves and evaluates, and on what.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "cli/foreign/reader.h"
#include "core/files/files.h"
#include "data/rows/file/source_files.h"

namespace attune::cli {
namespace {

using core::Value;

/// Shares of the run, which transformers takes below 1.
bool is_share(const Value& value) {
  const core::Json json = value.to_json();
  return json.is_number_float() && json.get<double>() > 0 && json.get<double>() < 1;
}

/// What a strategy says, also by its older name: "steps", "epoch", "best", "no", or "" where it is not given.
std::string strategy(const ForeignReader& reader, std::string_view name) {
  const Value* given = reader.given(name);
  if (given == nullptr && name == "eval_strategy") given = reader.given("evaluation_strategy");
  if (given == nullptr) return "";
  return is_off(*given) ? "no" : text_of(*given);
}

/// Whether data is held out by name or by number, whatever a strategy says.
bool holds_out(const ForeignReader& reader) {
  constexpr std::array<std::string_view, 5> kNames = {"eval_dataset", "test_datasets", "val_size",
                                                      "val_set_size", "test_split_size"};
  return reader.given_as_ours("eval.data") ||
         std::any_of(kNames.begin(), kNames.end(), [&](auto name) { return is_on(reader.given(name)); });
}

constexpr const char* kNothingEvaluated = "without eval_strategy and held-out data nothing is evaluated";

/// Counts of steps are heeded where the strategy of the same name is by steps. Evaluations are off there without a
/// strategy.
void read_steps(ForeignReader& reader, const std::string& name, const Value& value) {
  if (value.is_null()) return;
  const std::string by = strategy(reader, name.substr(0, name.find('_')) + "_strategy");
  if (name != "logging_steps" && !by.empty() && by != "steps") return;
  if (name == "eval_steps" && by.empty() && !holds_out(reader)) return reader.note(name, kNothingEvaluated);
  if (is_share(value)) return reader.refuse(name, value, "a whole number of updates, not a share of the run");
  reader.set("training." + name, value);
}

void read_warmup(ForeignReader& reader, const std::string& name, const Value& value) {
  if (!value.is_null()) reader.set(is_share(value) ? "training.warmup_ratio" : "training." + name, value);
}

/// The file or folder that is trained on, null where there are several or none.
Value the_data(const ForeignReader& reader) {
  for (const char* name : {"dataset_name", "train_dataset", "data"}) {
    const Value* data = reader.given(name);
    if (data != nullptr && data->is_map()) data = data->find("path");
    if (data != nullptr) return data->is_scalar() ? *data : Value();
  }
  const Value* mixer = reader.given("dataset_mixer");
  if (mixer == nullptr || mixer->entries().size() != 1) return {};
  return Value::scalar(mixer->entries().front().first, true, mixer->place());
}

/// The split that is asked for by name, also in the alignment handbook's list of them; null where none is.
Value test_split(const ForeignReader& reader) {
  if (const Value* split = reader.given("dataset_test_split")) return *split;
  if (const Value* splits = reader.given("dataset_splits"))
    for (const Value& split : splits->items())
      if (is_test_split(split)) return split;
  return {};
}

/// The split that is trained on, "" where none is named.
std::string training_split(const ForeignReader& reader) {
  if (const Value* split = reader.given("dataset_train_split")) return text_of(*split);
  const Value* data = reader.given("data");
  if (const Value* split = data == nullptr ? nullptr : data->find("split")) return text_of(*split);
  if (const Value* splits = reader.given("dataset_splits"))
    for (const Value& split : items_of(*splits))
      if (!is_test_split(split)) return text_of(split);
  return "";
}

/// Which of a folder's splits is evaluated on where none is named: "test", or where several are called so in part that
/// which belongs to what is trained on ("test_prefs" to "train_prefs"); "" where that cannot be told.
std::string own_test_split(const ForeignReader& reader, const std::vector<std::string>& tests) {
  if (tests.size() < 2) return "test";
  std::string wanted = training_split(reader);
  wanted.resize(std::min(wanted.find('['), wanted.size()));
  if (const std::size_t at = wanted.find("train"); at != std::string::npos) wanted.replace(at, 5, "test");
  return std::ranges::find(tests, wanted) == tests.end() ? "" : wanted;
}

/// Held-out data where nothing but a strategy asks for it: the split of the training data's folder, as TRL's
/// scripts take it.
void take_test_split(ForeignReader& reader, const std::string& name, const Value& value) {
  if (holds_out(reader)) return;
  const Value data = the_data(reader), asked = test_split(reader);
  if (!data.is_scalar()) return;
  const std::string& path = data.text();
  const std::string instead = ": give eval_dataset=FILE or val_size=0.1, or " + name + "=no";
  // What is not there is said where it is opened. What is refused here is said once: the rest goes on as if it were fine.
  const bool there = core::fs::exists(path), lone = there && !core::fs::is_directory(path);
  const auto tests = there && !lone ? data::splits_of_kind(path, "test") : std::vector<std::string>();
  const std::string split = asked.is_null() ? own_test_split(reader, tests) : text_of(asked);
  if (split.empty())
    return reader.refuse(name, value,
                         fmt::format("it evaluates on a split for tests, and {} has several: say which with "
                                     "dataset_test_split={}, or test for all of them",
                                     path, fmt::join(tests, " or dataset_test_split=")));
  const bool file = lone && split.find('[') == std::string::npos;  // a slice of it may be held out
  if (file)
    reader.refuse(
        name, value,
        "it evaluates on the split '" + split + "', and " + path + " is one file without splits" + instead);
  const bool absent = there && !lone && !data::has_split(path, split);
  if (absent)
    reader.refuse(asked.is_null() ? name : "dataset_test_split", asked.is_null() ? value : asked,
                  fmt::format("{} has no split '{}', but: {}{}{}", path, split,
                              fmt::join(data::splits_of_folder(path), ", "), instead,
                              asked.is_null() ? ", or dataset_test_split=SPLIT" : ""));
  if (file || absent) return reader.set("eval.data", path, value);
  reader.set("eval.data", Value::map({{"path", Value::scalar(path, true, data.place())},
                                      {"split", Value::scalar(split, true, value.place())}},
                                     value.place()));
}

/// Whenever a checkpoint is made. Axolotl evaluates nothing where nothing is held out.
void read_epochs_of_evaluations(ForeignReader& reader, const std::string& name, const Value& value) {
  if (reader.given("base_model") != nullptr && !holds_out(reader))
    return reader.note(name, "without held-out data nothing is evaluated");
  reader.set("training.eval_steps", "-1", value);
}

void read_eval_strategy(ForeignReader& reader, const std::string& name, const Value& value) {
  const std::string by = strategy(reader, "eval_strategy");
  if (by == "no") {
    if (is_on(reader.given("eval_dataset")))
      reader.refuse(name, value, "eval_dataset is evaluated on: leave it out");
    return;
  }
  if (by != "steps" && by != "epoch") return reader.refuse(name, value, "steps, epoch or no");
  take_test_split(reader, name, value);
  if (by == "epoch") return read_epochs_of_evaluations(reader, name, value);
  if (reader.given("eval_steps") != nullptr) return;
  const Value* logging = reader.given("logging_steps");
  const std::string by_itself = is_written_for_trl(reader) ? "10" : "500";  // what logging_steps is there
  reader.set("training.eval_steps", logging == nullptr ? by_itself : text_of(*logging), value);
}

void read_save_strategy(ForeignReader& reader, const std::string& name, const Value& value) {
  const std::string by = strategy(reader, name);
  if (by == "steps") return reader.set_default("training.save_steps", "500", value, {"save_steps"});
  if (by == "best") return reader.set("training.save_best", "true", value);
  if (by != "no" && by != "epoch") return reader.refuse(name, value, "steps, epoch, best or no");
  reader.set("training.save_steps", by == "no" ? "-1" : "0", value);
  if (by == "no") reader.set_default("training.save_minutes", "0", value, {"save_minutes"});
}

void read_save_limit(ForeignReader& reader, const std::string&, const Value& value) {
  value.is_null() ? reader.set("training.save_total_limit", "0", value)
                  : reader.set("training.save_total_limit", value);
}

bool looks_at_a_metric(const ForeignReader& reader) {
  return !strategy(reader, "eval_strategy").empty() || holds_out(reader) ||
         is_on(reader.given("load_best_model_at_end"));
}

void read_metric(ForeignReader& reader, const std::string& name, const Value& value) {
  if (is_off(value) || !value.is_scalar()) return;
  if (!looks_at_a_metric(reader)) return reader.note(name, kNothingEvaluated);
  const std::string& text = value.text();
  reader.set("eval.metric", text.starts_with("eval_") ? text.substr(5) : text, value);
}

void read_greater_is_better(ForeignReader& reader, const std::string& name, const Value& value) {
  if (value.is_null()) return;
  if (!looks_at_a_metric(reader)) return reader.note(name, kNothingEvaluated);
  const Value* metric = reader.given("metric_for_best_model");
  const std::string text = metric != nullptr && metric->is_scalar() ? metric->text() : "loss";
  if (is_true(value) == text.ends_with("loss")) reader.refuse(name, value);
}

constexpr Reading kStrategyReadings[] = {
    {"logging_steps", read_steps},
    {"save_steps", read_steps},
    {"eval_steps", read_steps},
    {"warmup_steps", read_warmup},
    {"eval_strategy", read_eval_strategy},
    {"evaluation_strategy", read_eval_strategy},
    {"save_strategy", read_save_strategy},
    {"save_total_limit", read_save_limit},
    {"metric_for_best_model", read_metric},
    {"greater_is_better", read_greater_is_better},
};

}  // namespace

std::span<const Reading> strategy_readings() { return kStrategyReadings; }

}  // namespace attune::cli
