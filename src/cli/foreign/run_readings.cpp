// Names of what a run computes with, and of its steps and evaluations.
#include <algorithm>
#include <array>

#include "cli/foreign/reader.h"
#include "core/ascii.h"

namespace attune::cli {
namespace {

using core::Value;

void read_half(ForeignReader& reader, const std::string& name, const Value& value) {
  if (is_true(value)) return reader.set("training.dtype", name == "fp16" ? "float16" : "bfloat16", value);
  const bool left_open = value.is_scalar() && value.text() == "auto";  // of another program's machine
  if (!is_off(value) && !left_open)
    reader.refuse(
        name, value,
        "true or false; " + name + "=true is training.dtype=" + (name == "fp16" ? "float16" : "bfloat16"));
}

void read_dtype(ForeignReader& reader, const std::string&, const Value& value) {
  std::string text = value.is_scalar() ? value.text() : "";
  if (text.starts_with("torch.")) text = text.substr(6);
  if (!text.empty() && !is_off(value) && text != "auto") reader.set("training.dtype", text, value);
}

void read_optimizer(ForeignReader& reader, const std::string& name, const Value& value) {
  const std::string text = value.is_scalar() ? core::lowercase(value.text()) : "";
  if (!is_off(value) && !text.starts_with("adamw")) reader.refuse(name, value);
}

void read_cpu(ForeignReader& reader, const std::string&, const Value& value) {
  if (is_true(value)) reader.set("device", "cpu", value);
}

void read_accumulation(ForeignReader& reader, const std::string& name, const Value& value) {
  if (!value.is_null()) reader.set("training." + name, value);
}

/// Shares of the run, which transformers takes below 1.
bool is_share(const Value& value) {
  const core::Json json = value.to_json();
  return json.is_number_float() && json.get<double>() > 0 && json.get<double>() < 1;
}

void read_steps(ForeignReader& reader, const std::string& name, const Value& value) {
  if (value.is_null()) return;
  if (is_share(value)) return reader.refuse(name, value, "a whole number of updates, not a share of the run");
  reader.set("training." + name, value);
}

void read_warmup(ForeignReader& reader, const std::string& name, const Value& value) {
  if (!value.is_null()) reader.set(is_share(value) ? "training.warmup_ratio" : "training." + name, value);
}

void read_max_steps(ForeignReader& reader, const std::string&, const Value& value) {
  if (value.to_json() == -1) return reader.set("training.max_steps", "0", value);
  if (!value.is_null()) reader.set("training.max_steps", value);
}

void read_eval_strategy(ForeignReader& reader, const std::string& name, const Value& value) {
  const Value* data = reader.given("eval_dataset");
  if (is_off(value) && data != nullptr && !is_off(*data))
    reader.refuse(name, value, "eval_dataset is evaluated on: leave it out");
}

void read_save_strategy(ForeignReader& reader, const std::string&, const Value& value) {
  const std::string text = value.is_scalar() ? value.text() : "";
  if (text == "best") reader.set("training.save_best", "true", value);
  if (text == "epoch" || text == "no") reader.set("training.save_steps", "0", value);
}

void read_metric(ForeignReader& reader, const std::string&, const Value& value) {
  if (is_off(value) || !value.is_scalar()) return;
  const std::string& text = value.text();
  reader.set("eval.metric", text.starts_with("eval_") ? text.substr(5) : text, value);
}

void read_greater_is_better(ForeignReader& reader, const std::string& name, const Value& value) {
  const Value* metric = reader.given("metric_for_best_model");
  const std::string text = metric != nullptr && metric->is_scalar() ? metric->text() : "loss";
  if (!value.is_null() && is_true(value) == text.ends_with("loss")) reader.refuse(name, value);
}

void read_resume(ForeignReader& reader, const std::string& name, const Value& value) {
  const core::Json json = value.to_json();
  if (json.is_boolean()) return reader.set("resume", json == true ? "auto" : "never", value);
  if (!json.is_string()) return;
  const Value* output = reader.given("output_dir");
  if (output == nullptr) output = reader.settings().find("output");
  const bool own =
      output != nullptr && output->is_scalar() && json.get<std::string>().starts_with(output->text());
  if (own) return reader.set("resume", "auto", value);
  reader.refuse(name, value,
                "a run goes on from the newest checkpoint of its own output: give that output, or model=" +
                    json.get<std::string>() + " to begin anew from these weights");
}

void read_schedule_settings(ForeignReader& reader, const std::string& name, const Value& value) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 9> kNames = {
      {{"num_cycles", "num_cycles"},
       {"power", "power"},
       {"min_lr_rate", "min_lr_ratio"},
       {"num_decay_steps", "decay_steps"},
       {"factor", "plateau_factor"},
       {"patience", "plateau_patience"},
       {"threshold", "plateau_threshold"},
       {"cooldown", "plateau_cooldown"},
       {"min_lr_ratio", "min_lr_ratio"}}};
  for (const auto& [key, entry] : value.entries()) {
    const auto at =
        std::find_if(kNames.begin(), kNames.end(),
                     [&, k = std::string_view(key)](const auto& known) { return known.first == k; });
    if (at != kNames.end()) {
      reader.set("training." + std::string(at->second), entry);
    } else {
      reader.refuse(name + "." + key, entry,
                    "there are training.min_lr_ratio (a share of the peak) and others: " +
                        find_guide_row(name)->text());
    }
  }
}

void read_once_an_epoch(ForeignReader& reader, const std::string& name, const Value& value) {
  if (!is_off(value) && value.to_json() != 1) reader.refuse(name, value);
}

constexpr Reading kRunReadings[] = {
    {"bf16", read_half},
    {"fp16", read_half},
    {"pure_bf16", read_half},
    {"dtype", read_dtype},
    {"torch_dtype", read_dtype},
    {"optim", read_optimizer},
    {"optimizer", read_optimizer},
    {"use_cpu", read_cpu},
    {"gradient_accumulation_steps", read_accumulation},
    {"logging_steps", read_steps},
    {"save_steps", read_steps},
    {"eval_steps", read_steps},
    {"warmup_steps", read_warmup},
    {"max_steps", read_max_steps},
    {"eval_strategy", read_eval_strategy},
    {"save_strategy", read_save_strategy},
    {"metric_for_best_model", read_metric},
    {"greater_is_better", read_greater_is_better},
    {"resume_from_checkpoint", read_resume},
    {"lr_scheduler_kwargs", read_schedule_settings},
    {"evals_per_epoch", read_once_an_epoch},
    {"saves_per_epoch", read_once_an_epoch},
};

}  // namespace

std::span<const Reading> run_readings() { return kRunReadings; }

}  // namespace attune::cli
