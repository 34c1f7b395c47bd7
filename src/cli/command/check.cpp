// attune check: what `train` would make of its data, without training (interface.md §3).
#include <fmt/format.h>

#include "algorithm/method.h"
#include "cli/check_data.h"
#include "cli/command.h"
#include "cli/compute_options.h"
#include "cli/record_tokens.h"
#include "core/system.h"
#include "training/run.h"

namespace attune::cli {
namespace {

using core::Json;

data::RowNeeds needs_of(const core::Value& setting) {
  if (setting.is_null()) return data::RowNeeds::kAny;
  core::Value options = setting.is_list() && !setting.items().empty() ? setting.items().front() : setting;
  if (options.is_map())
    std::erase_if(options.entries(),
                  [](const auto& entry) { return entry.first == "data" || entry.first == "weight"; });
  switch (algorithm::make_method(options)->feedback()) {
    case algorithm::Feedback::kDemonstrations:
      return data::RowNeeds::kDemonstrations;
    case algorithm::Feedback::kPairs:
      return data::RowNeeds::kPairs;
    case algorithm::Feedback::kLabels:
      return data::RowNeeds::kLabels;
    case algorithm::Feedback::kGroups:
    case algorithm::Feedback::kLists:
      return data::RowNeeds::kRewards;
  }
  return data::RowNeeds::kAny;
}

class Check : public Command {
 public:
  CommandInfo info() const override {
    return {
        .name = "check",
        .summary = "Shows what train would make of its data: format, counts, masks, lengths, warnings.",
        .usage = "[recipe.yaml] model=MODEL data=FILE [method=NAME] [--json]",
        .details =
            "Takes everything that train takes and trains nothing. Trained tokens are shown in green, or in "
            "⟦ ⟧ where there are no colours. With --json: one object.",
        .examples = {{"attune check model=MODEL data=prefs.jsonl method=dpo", "before a run"},
                     {"attune check recipes/dpo.yaml rows=10", "with a picture of the first ten rows"}}};
  }

  void declare(core::Fields& fields) override {
    recipe_.declare(fields);
    fields.add("tokenizer", tokenizer_, "Folder or tokenizer.json, instead of a model.");
    fields.add("rows", rows_, "How many rows are shown token by token.").range(0, 1000);
  }

  int run(const Request&, Output& out) override {
    if (recipe_.data.is_null())
      core::fail_request("no data is given: data=prefs.jsonl names a file or folder");
    ComputeOptions compute{recipe_.device, recipe_.threads, recipe_.seed};
    compute.apply();
    recipe_.threads = compute.threads;
    codec_ = load_codec(recipe_.model, tokenizer_);
    const auto options = training::data_options(recipe_.data, "data");
    const auto found = check_data(options, codec_, needs_of(recipe_.method), static_cast<std::size_t>(rows_));
    Json estimate;
    if (tokenizer_.empty())
      estimate = estimate_training(recipe_, model::Model::peek_config(recipe_.model), found.summary);
    if (out.json())
      out.line(as_json(found, options, estimate));
    else
      out.text(as_text(found, options, estimate));
    return 0;
  }

 private:
  Json as_json(const DataCheck& found, const data::DataOptions& options, const Json& estimate) const {
    const auto& summary = found.summary;
    Json rows = Json::array();
    for (const auto& row : found.rows) rows.push_back(record_json(row.id, row.tokens, codec_));
    return {{"data", options.path},
            {"format", summary.format},
            {"rows_read", summary.rows_read},
            {"rows_kept", summary.rows_kept},
            {"candidates", summary.candidates},
            {"dropped", summary.dropped},
            {"dropped_examples", found.dropped_examples},
            {"tokens", summary.tokens},
            {"trained_tokens", summary.trained_tokens},
            {"straddling", summary.straddling},
            {"truncated", summary.truncated},
            {"lengths", length_json(found.lengths)},
            {"rows", rows},
            {"warnings", found.warnings},
            {"estimate", estimate}};
  }

  std::string as_text(const DataCheck& found, const data::DataOptions& options, const Json& estimate) const {
    const auto& summary = found.summary;
    std::string text =
        fmt::format("{}\n  format    {}\n  rows      {} read, {} used, {} completions\n", options.name(),
                    summary.format, core::human_count(summary.rows_read),
                    core::human_count(summary.rows_kept), core::human_count(summary.candidates));
    text += fmt::format("  tokens    {}, {} trained on\n", core::human_count(summary.tokens),
                        core::human_count(summary.trained_tokens));
    text += fmt::format("  straddle  {} rows\n  cut       {} rows\n", summary.straddling, summary.truncated);
    for (const auto& [reason, count] : summary.dropped) {
      text += fmt::format("  left out  {} rows: {}\n", core::human_count(count), reason);
      for (const auto& example : found.dropped_examples.at(reason)) text += "              " + example + "\n";
    }
    text += lengths_text(length_json(found.lengths)) + rows_text(found);
    if (!estimate.is_null())
      text += fmt::format("\nroughly   {} parameters, {} MB, {} updates, {}\n",
                          core::human_count(estimate["parameters"].get<std::int64_t>()),
                          estimate["memory_mb"].get<double>(), estimate["steps"].get<std::int64_t>(),
                          core::human_seconds(estimate["seconds"].get<double>()));
    for (const auto& warning : found.warnings) text += "warning: " + warning + "\n";
    return text;
  }

  static std::string lengths_text(const Json& lengths) {
    if (lengths["histogram"].empty()) return "";
    std::string text = fmt::format("\ntokens a sequence: {} to {}, median {}, 95 % up to {}\n",
                                   lengths["min"].get<std::int64_t>(), lengths["max"].get<std::int64_t>(),
                                   lengths["median"].get<std::int64_t>(), lengths["p95"].get<std::int64_t>());
    std::int64_t most = 1;
    for (const auto& bar : lengths["histogram"]) most = std::max(most, bar["count"].get<std::int64_t>());
    for (const auto& bar : lengths["histogram"]) {
      const auto count = bar["count"].get<std::int64_t>();
      std::string blocks;
      for (std::int64_t i = 0; i < (count * 40 + most - 1) / most; ++i) blocks += "█";
      text += fmt::format("  {:>6}–{:<6} {:>7} {}\n", bar["from"].get<std::int64_t>(),
                          bar["to"].get<std::int64_t>(), count, blocks);
    }
    return text;
  }

  std::string rows_text(const DataCheck& found) const {
    std::string text;
    const bool colour = stdout_has_colour();
    for (const auto& row : found.rows)
      for (std::size_t i = 0; i < std::max<std::size_t>(1, row.tokens.completions.size()); ++i)
        text += fmt::format("\n— row {}{} —\n{}\n", row.id, i == 0 ? "" : fmt::format(", completion {}", i),
                            token_picture(row.tokens, i, codec_, colour));
    return text;
  }

  training::TrainRecipe recipe_;
  std::string tokenizer_;
  std::int64_t rows_ = 3;
  data::TextCodec codec_;
};

}  // namespace

std::unique_ptr<Command> command_check() { return std::make_unique<Check>(); }

}  // namespace attune::cli
