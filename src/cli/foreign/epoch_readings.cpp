// Names of how often a thing is done in an epoch, which is a number of updates here.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "cli/foreign/reader.h"
#include "core/error.h"
#include "data/rows/example_source.h"
#include "training/run/recipe/terms.h"

namespace attune::cli {
namespace {

using core::Value;

const Value* settled(const ForeignReader& reader, std::string_view section, std::string_view key) {
  const Value* settings = reader.settings().find(section);
  return settings == nullptr || key.empty() ? settings : settings->find(key);
}

double number_in(const Value* value, double otherwise) {
  const core::Json json = value == nullptr ? core::Json() : value->to_json();
  return json.is_number() ? json.get<double>() : otherwise;
}

/// A share or a number of rows, by either of its names; 0 where none is held out of the training data.
double held_out_of(const ForeignReader& reader) {
  return std::max(number_in(settled(reader, "val_size", ""), 0),
                  number_in(settled(reader, "val_set_size", ""), 0));
}

/// Rows that an epoch sees, with those that cannot be used; nothing where they cannot be read, which is said there.
std::optional<double> rows_of_an_epoch(const ForeignReader& reader) {
  const Value* setting = reader.settings().find("data");
  if (setting == nullptr) return std::nullopt;
  double rows = 0;
  try {
    data::ExampleSource source(training::data_options(*setting, "data"));
    for (data::SourceRow row; source.next(row);) rows += static_cast<double>(row.copies);
  } catch (const core::Error&) {
    return std::nullopt;
  }
  const double held_out = held_out_of(reader);
  return held_out < 1 ? rows * (1 - held_out) : std::max(0.0, rows - held_out);
}

std::optional<double> updates_of_an_epoch(const ForeignReader& reader) {
  const double batch = number_in(settled(reader, "training", "batch_size"), 8) *
                       number_in(settled(reader, "training", "gradient_accumulation_steps"), 1);
  const auto rows = rows_of_an_epoch(reader);
  if (!rows || *rows <= 0 || batch <= 0) return std::nullopt;
  return std::ceil(*rows / batch);
}

bool evaluates(const ForeignReader& reader) {
  return settled(reader, "eval", "data") != nullptr || held_out_of(reader) > 0;
}

/// What Axolotl does by itself where data is held out.
void evaluate_by_epoch(ForeignReader& reader) {
  const Value* model = reader.given("base_model");
  if (model != nullptr && evaluates(reader))
    reader.set_default("training.eval_steps", "-1", *model,
                       {"eval_steps", "evals_per_epoch", "eval_strategy", "evaluation_strategy"});
}

/// @return how often, 0 where it does not say so
double times_of(ForeignReader& reader, const std::string& name) {
  const Value* given = reader.given(name);
  if (!is_on(given)) return 0;
  const double times = number_in(given, -1);
  if (times <= 0) reader.refuse(name, *given, "a number above 0, found " + given->described());
  return std::max(0.0, times);
}

constexpr Reading kEpochReadings[] = {{"evals_per_epoch", read_nothing}, {"saves_per_epoch", read_nothing}};

}  // namespace

void settle_epochs(ForeignReader& reader) {
  const double saves = times_of(reader, "saves_per_epoch"), asked = times_of(reader, "evals_per_epoch");
  if (asked > 0 && !evaluates(reader))
    reader.note("evals_per_epoch", "without held-out data nothing is evaluated");
  const double evaluations = evaluates(reader) ? asked : 0;
  evaluate_by_epoch(reader);
  if (evaluations == 1) reader.set("training.eval_steps", "-1", *reader.given("evals_per_epoch"));
  // Checkpoints come once an epoch by themselves.
  const bool saves_often = saves > 0 && saves != 1, evaluates_often = evaluations > 0 && evaluations != 1;
  if (!saves_often && !evaluates_often) return;
  const auto updates = updates_of_an_epoch(reader);
  if (!updates) return;
  const auto set = [&](const std::string& name, const std::string& ours, double times) {
    const std::string steps =
        fmt::format("{}", std::max<std::int64_t>(1, std::llround(std::ceil(*updates / times))));
    reader.remark_on(fmt::format("{}={:g}: training.{}={}, of about {:g} updates an epoch", name, times, ours,
                                 steps, *updates));
    reader.set("training." + ours, steps, *reader.given(name));
  };
  if (saves_often) set("saves_per_epoch", "save_steps", saves);
  if (evaluates_often) set("evals_per_epoch", "eval_steps", evaluations);
}

std::span<const Reading> epoch_readings() { return kEpochReadings; }

}  // namespace attune::cli
