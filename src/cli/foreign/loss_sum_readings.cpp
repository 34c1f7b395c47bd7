// Where losses of TRL's trainers are more than ours of the same name, or less.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "cli/foreign/reader.h"

namespace attune::cli {
namespace {

using core::Value;

std::vector<std::string> texts_of(const Value& value) {
  std::vector<std::string> texts;
  for (const Value& item : items_of(value)) texts.push_back(text_of(item));
  return texts;
}

/// What DPOTrainer calls a method that learns from pairs, "" where it has none.
std::string loss_of_dpo(std::string_view method) {
  for (const auto& [entry, create] : algorithm::method_entries()) {
    if (entry != method || entry == "sft") continue;
    const auto info = create()->info();
    for (const auto& [trainer, loss] : info.trl_names)
      if (trainer == "dpo") return loss;
  }
  return "";
}

/// The losses of DPOTrainer that are asked for: {"sigmoid"}; none where the method is another trainer's.
std::vector<std::string> losses_of_dpo(const ForeignReader& reader) {
  const Value* method = method_name_of(reader);
  const std::string own = method == nullptr ? "" : loss_of_dpo(method->text());
  if (own.empty()) return {};
  const Value* losses = reader.given("loss_type");
  return is_on(losses) ? texts_of(*losses) : std::vector<std::string>{own};
}

/// The likelihood of chosen answers, times a number, on top of a loss: what to write instead.
void refuse_likelihood(ForeignReader& reader, const std::string& name, const Value& value) {
  std::vector<std::string> losses = losses_of_dpo(reader);
  if (losses.empty())
    return reader.refuse(
        name, value,
        "it adds the likelihood of chosen answers to one of DPO's losses, which this method is not: "
        "leave it out");
  if (std::ranges::find(losses, "sft") != losses.end())
    return reader.refuse(name, value, "loss_type has sft: give this number as its weight in loss_weights");
  const Value* given = reader.given("loss_weights");
  std::vector<std::string> weights = given == nullptr ? std::vector<std::string>() : texts_of(*given);
  weights.resize(losses.size(), "1.0");
  losses.emplace_back("sft");
  weights.push_back(text_of(value));
  const std::string method = method_name_of(reader)->text();
  const std::string in_place = method == "dpo"                    ? ""
                               : is_on(reader.given("pref_loss")) ? ", in place of pref_loss"
                                                                  : ", with method dpo in place of " + method;
  reader.refuse(
      name, value,
      fmt::format("the likelihood of chosen answers is a loss of its own: write loss_type: [{}] and "
                  "loss_weights: [{}]{}",
                  fmt::join(losses, ", "), fmt::join(weights, ", "), in_place));
}

/// Conservative DPO, which TRL had up to 0.28.
void remark_on_smoothing(ForeignReader& reader) {
  const Value* smoothing = reader.given("label_smoothing");
  const auto losses = losses_of_dpo(reader);
  if (!is_on(smoothing) || std::ranges::find(losses, "sigmoid") == losses.end()) return;
  reader.remark_on(fmt::format(
      "label_smoothing={}: heeded here with loss_type=sigmoid (conservative DPO), and ignored by TRL, which "
      "heeds it with robust, exo_pair, aot and aot_unpaired: leave it out to learn as TRL does",
      text_of(*smoothing)));
}

void remark_on_default_loss(ForeignReader& reader) {
  const Value* method = method_name_of(reader);
  if (method == nullptr || method->text() != "grpo" || is_on(reader.given("loss_type"))) return;
  reader.remark_on(
      "method=grpo: the mean over the tokens of each answer, then over answers (loss_type=grpo); TRL's GRPOTrainer takes "
      "loss_type=dapo where none is named, the mean over all tokens of the batch");
}

// Read by settle_losses().
constexpr Reading kLossSumReadings[] = {{"rpo_alpha", read_nothing}, {"pref_ftx", read_nothing}};

}  // namespace

void settle_losses(ForeignReader& reader) {
  for (const char* name : {"rpo_alpha", "pref_ftx"})
    if (const Value* value = reader.given(name); is_on(value)) refuse_likelihood(reader, name, *value);
  if (!reader.speaks_trl()) return;
  remark_on_smoothing(reader);
  remark_on_default_loss(reader);
}

std::span<const Reading> loss_sum_readings() { return kLossSumReadings; }

}  // namespace attune::cli
