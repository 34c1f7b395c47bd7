// Names of methods, of losses and of their options.
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "cli/foreign/reader.h"
#include "core/error.h"

namespace attune::cli {
namespace {

using core::Value;

const Value* name_in(const Value* method) {
  const Value* name = method != nullptr && method->is_map() ? method->find("name") : method;
  return name != nullptr && name->is_scalar() ? name : nullptr;
}

bool is_method(const std::string& name) {
  return std::ranges::any_of(algorithm::method_entries(),
                             [&](const auto& entry) { return entry.first == name; });
}

void read_losses(ForeignReader& reader, const std::string&, const Value& value) {
  if (is_off(value)) return;
  reader.set("method.loss_type", value);
  if (text_of(value) == "dr_grpo" && reader.given("scale_rewards") == nullptr)
    reader.remark_on(
        "loss_type=dr_grpo: advantages are not divided by the deviation of their group, as in its paper; TRL divides: "
        "scale_rewards=group does, too");
}

void read_loss_weights(ForeignReader& reader, const std::string&, const Value& value) {
  if (!is_off(value)) reader.set("method.loss_weights", value);
}

void read_dft(ForeignReader& reader, const std::string&, const Value& value) {
  if (is_true(value)) reader.set("method.name", "dft", value);
}

void read_method_name(ForeignReader& reader, const std::string& name, const Value& value) {
  const std::string text = text_of(value);
  if (is_off(value) || (name == "pref_loss" && text == "sigmoid")) return;
  if (is_method(text)) return reader.set("method.name", text, value);
  reader.refuse(name, value, "no method '" + text + "'; see attune list methods");
}

/// TRL's older values are truths.
void read_scale(ForeignReader& reader, const std::string&, const Value& value) {
  if (value.is_null()) return;
  const auto truth = core::truth_of(value);
  truth ? reader.set("method.scale_rewards", *truth ? "group" : "none", value)
        : reader.set("method.scale_rewards", value);
}

/// SimPO's own scripts give γ / β.
void read_gamma_ratio(ForeignReader& reader, const std::string& name, const Value& value) {
  if (value.is_null()) return;
  const auto method = method_of(reader);
  const Value* given = reader.given("beta");
  core::Json beta = given == nullptr ? core::Json() : given->to_json();
  if (core::Fields options = method ? method->fields() : core::Fields(); given == nullptr)
    if (const auto* own = options.find("beta")) beta = own->value();
  const core::Json ratio = value.to_json();
  if (!ratio.is_number() || !beta.is_number())
    return reader.refuse(name, value, "method.gamma is this number × beta: give both as numbers");
  reader.set("method.gamma", fmt::format("{}", ratio.get<double>() * beta.get<double>()), value);
}

/// Options that a trainer's configuration has for all of its losses, and of which only some read them; without a trainer,
/// those that many have.
struct OfSomeLosses {
  std::string_view trainer, option;
};
constexpr std::array<OfSomeLosses, 14> kOfSomeLosses = {{{"", "max_completion_length"},
                                                         {"", "label_smoothing"},
                                                         {"grpo", "sapo_temperature_pos"},
                                                         {"grpo", "sapo_temperature_neg"},
                                                         {"grpo", "vespo_k_pos"},
                                                         {"grpo", "vespo_lambda_pos"},
                                                         {"grpo", "vespo_k_neg"},
                                                         {"grpo", "vespo_lambda_neg"},
                                                         {"grpo", "epsilon"},
                                                         {"grpo", "epsilon_high"},
                                                         {"grpo", "delta"},
                                                         {"dpo", "discopop_tau"},
                                                         {"dpo", "f_alpha_divergence_coef"},
                                                         {"cpo", "gamma"}}};

/// The methods of a trainer that have the option, or of all of them: "robust, exo_pair".
std::string methods_with(std::string_view trainer, std::string_view option) {
  constexpr std::size_t kMostNamed = 8;
  std::vector<std::string> names;
  for (const auto& [name, create] : algorithm::method_entries()) {
    const auto method = create();
    core::Fields options = method->fields();
    const bool meant = trainer.empty() || method->info().is_of_trainer(trainer);
    if (meant && options.find(option) != nullptr) names.emplace_back(name);
  }
  const std::string more = names.size() > kMostNamed ? ", …" : "";
  names.resize(std::min(names.size(), kMostNamed));
  return fmt::format("{}{}", fmt::join(names, ", "), more);
}

/// Whether it is what the configuration of the method's trainer says by itself, for its other losses.
bool is_default_of_trainer(const algorithm::MethodInfo& info, const std::string& option, const Value& value) {
  return std::ranges::any_of(algorithm::method_entries(), [&](const auto& entry) {
    if (!info.is_of_trainer(entry.first)) return false;
    const auto first = entry.second();
    core::Fields options = first->fields();
    const auto* own = options.find(option);
    return own != nullptr && own->value() == value.to_json();
  });
}

/// What the loss of this run does not read changes nothing, there and here; what no loss of its trainer does is refused.
void read_option(ForeignReader& reader, const std::string& name, const Value& value) {
  if (value.is_null()) return;
  const std::string ours = find_guide_row(name)->ours_of(name), option = ours.substr(ours.find('.') + 1);
  const auto method = method_of(reader);
  core::Fields options = method ? method->fields() : core::Fields();
  if (method == nullptr || options.find(option) != nullptr) return reader.set_once(name, value);
  if (is_off(value)) return;
  const auto at = std::ranges::find_if(kOfSomeLosses, [&](const OfSomeLosses& known) {
    return known.option == option && (known.trainer.empty() || method->info().is_of_trainer(known.trainer));
  });
  if (at != kOfSomeLosses.end()) return reader.note(name, "of " + methods_with(at->trainer, option));
  if (is_default_of_trainer(method->info(), option, value))
    return reader.note(name, "of other losses, and their default");
  reader.refuse(name, value,
                fmt::format("{} has no {}, which is of {}: leave it out", method->info().name, option,
                            methods_with("", option)));
}

/// Of GRPO, and not of the trainers beside it.
void read_mask_of_truncated(ForeignReader& reader, const std::string& name, const Value& value) {
  const auto method = method_of(reader);
  core::Fields options = method ? method->fields() : core::Fields();
  if (method == nullptr || options.find(name) != nullptr) return reader.set_once(name, value);
  if (!is_off(value))
    reader.refuse(
        name, value,
        method->info().name + " learns from every answer: leave those that were cut out of the data");
}

constexpr Reading kLossReadings[] = {
    {"mask_truncated_completions", read_mask_of_truncated},
    {"loss_type", read_losses},
    {"loss_weights", read_loss_weights},
    {"pref_loss", read_method_name},
    {"trainer_type", read_method_name},
    {"scale_rewards", read_scale},
    {"use_dft_loss", read_dft},
    {"gamma_beta_ratio", read_gamma_ratio},
};

}  // namespace

const Value* method_name_of(const ForeignReader& reader) {
  if (const Value* name = name_in(reader.given("method"))) return name;
  for (const char* key : {"pref_loss", "trainer_type"})  // before or after what names the trainer
    if (const Value* loss = reader.given(key); loss != nullptr && is_method(text_of(*loss))) return loss;
  return name_in(reader.settings().find("method"));
}

std::unique_ptr<algorithm::Method> method_of(const ForeignReader& reader) {
  const Value* name = method_name_of(reader);
  if (name == nullptr) return nullptr;
  Value setting = Value::map({{"name", *name}}, name->place());
  if (const Value* loss = reader.given("loss_type"); is_on(loss))
    setting.entries().emplace_back("loss_type", *loss);
  try {
    return algorithm::make_method(setting);
  } catch (const core::Error&) {
    return nullptr;  // said where the method is read
  }
}

bool is_of_trainer(const ForeignReader& reader, std::string_view trainer) {
  const auto method = method_of(reader);
  return method != nullptr && method->info().is_of_trainer(trainer);
}

bool is_of_another_trainer(const ForeignReader& reader, std::string_view trainer) {
  const auto method = method_of(reader);
  return method != nullptr && !method->info().is_of_trainer(trainer);
}

ReadName reading_of_option(std::string_view name) {
  const GuideRow* row = find_guide_row(name);
  return row != nullptr && row->ours_of(name).starts_with("method.") ? read_option : nullptr;
}

std::span<const Reading> loss_readings() { return kLossReadings; }

}  // namespace attune::cli
