// Names of what a run computes with.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "cli/foreign/reader.h"
#include "core/ascii.h"

namespace attune::cli {
namespace {

using core::Value;

/// "bf16", "torch.bfloat16", "half" … as training.dtype says it.
std::string dtype_of(std::string text) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 8> kNames = {{{"bf16", "bfloat16"},
                                                                                    {"fp16", "float16"},
                                                                                    {"half", "float16"},
                                                                                    {"fp32", "float32"},
                                                                                    {"float", "float32"},
                                                                                    {"fp64", "float64"},
                                                                                    {"double", "float64"},
                                                                                    {"auto", ""}}};
  if (text.starts_with("torch.")) text = text.substr(6);
  for (const auto& [theirs, ours] : kNames)
    if (theirs == text) return std::string(ours);
  return text;
}

/// Of another machine, or of the weights' file: no half precision is chosen here unasked.
void say_what_auto_is(ForeignReader& reader, const std::string& name) {
  if (reader.given_as_ours("training.dtype"))
    return reader.note(name, "training.dtype says what the arithmetic is");
  reader.remark_on(name +
                   "=auto: arithmetic is float32 here; training.dtype=bfloat16 (bf16=true) chooses another");
}

/// What the arithmetic is to be: of the switches first, whatever the order; else the type of the weights.
void settle_dtype(ForeignReader& reader, const std::string& name, const Value& value) {
  const auto on = [&](std::string_view key) {
    const Value* given = reader.given(key);
    return given != nullptr && is_true(*given);
  };
  const bool bf16 = on("bf16") || on("pure_bf16"), fp16 = on("fp16");
  if (bf16 && fp16) {
    if (name == "fp16") reader.refuse(name, value, "bf16 and fp16 are both on: leave one of them out");
    return;
  }
  const Value* given = reader.given("dtype");
  if (given == nullptr) given = reader.given("torch_dtype");
  const std::string weights = given == nullptr || is_off(*given) ? "" : dtype_of(text_of(*given));
  const std::string half = bf16 ? "bfloat16" : fp16 ? "float16" : "";
  const bool of_weights = name == "dtype" || name == "torch_dtype";
  if (!half.empty() && weights.find("16") != std::string::npos && weights != half) {
    if (of_weights)
      reader.refuse(
          name, value,
          "weights in " + weights + " and arithmetic in " + half + " contradict each other: leave one out");
    return;
  }
  // Weights in float32 with half-precision arithmetic is what the optimiser keeps anyway.
  if (!half.empty()) return reader.set("training.dtype", half, value);
  if (!weights.empty()) reader.set("training.dtype", weights, value);
  if (of_weights && text_of(value) == "auto") say_what_auto_is(reader, name);
}

void read_half(ForeignReader& reader, const std::string& name, const Value& value) {
  if (is_true(value)) return settle_dtype(reader, name, value);
  if (text_of(value) == "auto") return say_what_auto_is(reader, name);
  if (!is_off(value))
    reader.refuse(
        name, value,
        "true or false; " + name + "=true is training.dtype=" + (name == "fp16" ? "float16" : "bfloat16"));
}

/// By any name of AdamW whose states are float32.
void read_optimizer(ForeignReader& reader, const std::string& name, const Value& value) {
  constexpr std::array<std::string_view, 9> kNames = {"adamw",
                                                      "adamw_torch",
                                                      "adamw_torch_fused",
                                                      "adamw_hf",
                                                      "adamw_apex_fused",
                                                      "adamw_torch_xla",
                                                      "adamw_torch_npu_fused",
                                                      "adamw_anyprecision",
                                                      "paged_adamw_32bit"};
  const std::string text = core::lowercase(text_of(value));
  if (is_off(value) || std::find(kNames.begin(), kNames.end(), text) != kNames.end()) return;
  const bool rounded = text.find("adamw") != std::string::npos;
  reader.refuse(name, value,
                rounded ? text + " keeps its states in fewer bits, which is not there: " + name +
                              "=adamw_torch is the same optimiser with states in float32"
                        : text + " is not there, only AdamW: " + name + "=adamw_torch, or leave it out");
}

void read_cpu(ForeignReader& reader, const std::string&, const Value& value) {
  if (is_true(value)) reader.set("device", "cpu", value);
}

void read_max_steps(ForeignReader& reader, const std::string&, const Value& value) {
  if (value.to_json() == -1) return reader.set("training.max_steps", "0", value);
  if (!value.is_null()) reader.set("training.max_steps", value);
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

/// A rate, which is a share of the peak here.
void read_least_rate(ForeignReader& reader, const std::string& name, const Value& value) {
  const Value* peak = reader.given("learning_rate");
  const core::Json least = value.to_json(), most = peak == nullptr ? core::Json() : peak->to_json();
  if (least.is_number() && most.is_number() && most.get<double>() > 0)
    return reader.set("training.min_lr_ratio", fmt::format("{}", least.get<double>() / most.get<double>()),
                      value);
  reader.refuse(name, value,
                "write min_lr / learning_rate as training.min_lr_ratio, or give learning_rate, too");
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
    } else if (key == "min_lr") {
      read_least_rate(reader, name + "." + key, entry);
    } else {
      reader.refuse(
          name + "." + key, entry,
          "no schedule here heeds it; there are num_cycles, power, min_lr_rate, min_lr, num_decay_steps, "
          "factor, patience, threshold and cooldown");
    }
  }
}

/// Names whose one is what happens here.
void read_one(ForeignReader& reader, const std::string& name, const Value& value) {
  if (!is_off(value) && value.to_json() != 1) reader.refuse(name, value);
}

/// Right and wrong are two labels of a step in other programs, and one number here.
void read_labels(ForeignReader& reader, const std::string& name, const Value& value) {
  const bool of_steps = is_of_trainer(reader, "prm") || is_on(reader.given("process_reward_model"));
  if (of_steps && value.to_json() == 2) return reader.note(name);
  read_one(reader, name, value);
}

/// Sums of normalised rewards are what `score` gives.
void read_aggregation(ForeignReader& reader, const std::string& name, const Value& value) {
  if (!is_off(value) && text_of(value) != "sum_then_normalize") reader.refuse(name, value);
}

/// Between the steps of a solution.
void read_separator(ForeignReader& reader, const std::string& name, const Value& value) {
  const std::string text = text_of(value);
  if (text.empty() || text == "\n" || text == "\\n") return;
  reader.refuse(name, value);
}

/// What belongs to something that is refused where it is on, and else changes nothing.
void read_part(ForeignReader& reader, const std::string& name, const Value& value) {
  if (!is_off(value)) reader.note(name);
}

constexpr Reading kRunReadings[] = {
    {"bf16", read_half},
    {"fp16", read_half},
    {"pure_bf16", read_half},
    {"dtype", settle_dtype},
    {"torch_dtype", settle_dtype},
    {"optim", read_optimizer},
    {"optimizer", read_optimizer},
    {"use_cpu", read_cpu},
    {"max_steps", read_max_steps},
    {"resume_from_checkpoint", read_resume},
    {"lr_scheduler_kwargs", read_schedule_settings},
    {"temperature", read_one},
    {"top_p", read_one},
    {"repetition_penalty", read_one},
    {"num_iterations", read_one},
    {"num_labels", read_labels},
    {"multi_objective_aggregation", read_aggregation},
    {"step_separator", read_separator},
    {"entropy_coef_*", read_part},
    {"entropy_target", read_part},
    {"hub_*", read_part},
    {"vllm_*", read_part},
};

}  // namespace

std::span<const Reading> run_readings() { return kRunReadings; }

}  // namespace attune::cli
