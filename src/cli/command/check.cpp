// attune check: what `train` would make of its data, without training.
#include <fmt/format.h>

#include <algorithm>
#include <exception>

#include "cli/check/check_data.h"
#include "cli/check/estimate.h"
#include "cli/command.h"
#include "cli/compute_options.h"
#include "cli/tokens/record_tokens.h"
#include "core/error.h"
#include "core/system.h"
#include "data/split.h"
#include "generation/sampling/generation_config.h"
#include "training/hook.h"
#include "training/reference/model.h"
#include "training/method_needs.h"
#include "training/run/recipe/named_files.h"
#include "training/run/recipe/resolve.h"
#include "training/run/run.h"
#include "training/step/frozen_models.h"

namespace attune::cli {
namespace {

using core::Json;

/// One data setting of the recipe, looked at as training would read it.
struct Part {
  std::string what;    ///< the method that learns from it, or "eval"
  std::string reader;  ///< the method
  data::DataOptions options;
  data::RowUse use;
  DataCheck found;
  std::int64_t held_out = 0;  ///< rows that val_size takes away
};

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
                     {"attune check recipes/dpo.yaml model=MODEL data=prefs.jsonl rows=10",
                      "a recipe, with a picture of the first ten rows"}}};
  }

  void declare(core::Fields& fields) override {
    recipe_.declare(fields);
    fields.add("tokenizer", tokenizer_, "Folder or tokenizer.json, instead of a model.");
    fields.add("rows", rows_, "How many rows are shown token by token.").range(0, 1000);
  }

  /// Those of `train`. A method and an output may be left out where nothing else is wrong: data can be looked at first.
  std::vector<std::string> objections(bool refused) const override {
    if (!tokenizer_.empty() && !recipe_.data.is_null())
      return training::objections_to(recipe_, false, refused);
    const bool shows_nothing = recipe_.model.path.empty() || recipe_.data.is_null();
    if (!refused && !shows_nothing && training::objections_to(recipe_, false, false).empty()) return {};
    return training::objections_to(recipe_, true, refused);
  }

  int run(const Request&, Output& out) override {
    ComputeOptions compute{recipe_.device, recipe_.threads, recipe_.seed, recipe_.kernels};
    compute.apply();
    recipe_.device = compute.device;
    recipe_.threads = compute.threads;
    recipe_.kernels = compute.kernels;
    recipe_.settle();
    const auto terms =
        recipe_.method.is_null() ? std::vector<training::TermSetting>() : training::terms_of(recipe_);
    const bool has_model = tokenizer_.empty();
    if (has_model && !terms.empty()) training::resolve(recipe_, terms);
    const bool complete = has_model && !terms.empty() && !recipe_.output.empty();
    const std::exception_ptr refused = complete ? refusal_of_output() : nullptr;
    try {
      show(terms, has_model, out);
    } catch (const core::Error&) {
      if (!refused) throw;
    }
    if (refused) std::rethrow_exception(refused);
    return 0;
  }

 private:
  /// Why training would refuse OUTPUT, which it looks at first; null where it would not.
  std::exception_ptr refusal_of_output() {
    try {
      continues_ = training::rehearse_training(recipe_);
    } catch (const core::Error&) {
      return std::current_exception();
    }
    return nullptr;
  }

  void show(const std::vector<training::TermSetting>& terms, bool has_model, Output& out) {
    if (has_model && !terms.empty()) check_models(terms);
    if (has_model) look_at_models(terms);
    codec_ = load_codec(recipe_.model, tokenizer_);
    auto parts = look(terms);
    if (recipe_.val_size > 0)
      for (auto& part : parts) part.held_out = held_out_of(part.found);
    Json estimate;
    if (has_model)
      estimate =
          estimate_training(recipe_, terms, model::Model::peek_config(recipe_.model), parts.front().found);
    if (out.json())
      out.line(as_json(parts, estimate));
    else
      out.text(as_text(parts, estimate));
    // After the picture, which shows the reasons at length: what training would refuse, too.
    for (const auto& part : parts)
      training::require_rows(part.options, part.found.summary, part.use,
                             {part.reader, has_model ? recipe_.model.path : ""});
  }

  /// What training would ask for, "" where nothing is missing.
  std::string missing() const {
    try {
      recipe_.require_complete();
    } catch (const core::Error& error) {
      return error.what();
    }
    return "";
  }

  /// What training would refuse before it reads any data.
  void check_models(const std::vector<training::TermSetting>& terms) {
    training::make_hooks(recipe_);
    const bool continued = model::Model::peek_adapter(recipe_.model).has_value();
    const bool fresh = recipe_.adapter.type != "none" && !continued;
    for (const auto& term : terms) {
      training::check_needs(*term.method, {});
      training::check_cache(recipe_, fresh || continued, *term.method);
    }
    if (fresh) model::Model::require_targets(model::Model::peek_config(recipe_.model), recipe_.adapter);
  }

  /// Everything that training would load, and what it would say of it.
  void look_at_models(const std::vector<training::TermSetting>& terms) {
    recipe_.model.heads = training::heads_of_terms(terms);
    load_ = model::Model::peek_load(recipe_.model);
    model_warnings_ = load_->warnings();
    for (const auto& other : {recipe_.reference.path, recipe_.teacher.path}) {
      if (other.empty()) continue;
      const auto warnings = model::Model::peek_load({other, recipe_.model.dtype, "", ""}).warnings();
      model_warnings_.insert(model_warnings_.end(), warnings.begin(), warnings.end());
    }
    const bool samples = recipe_.samples.prompts > 0 && !recipe_.model.heads.contains("score");
    if (!samples) return;
    if (auto unheeded = generation::unheeded_settings(load_->folder); !unheeded.empty())
      model_warnings_.push_back(std::move(unheeded));
  }

  std::vector<Part> look(const std::vector<training::TermSetting>& terms) const {
    std::vector<Part> parts;
    const auto add = [&](const std::string& what, const std::string& reader, const data::DataOptions& options,
                         const data::RowUse& use) {
      const auto rows = parts.empty() ? static_cast<std::size_t>(rows_) : 0;
      parts.push_back({what, reader, options, use, check_data(options, codec_, use, rows), 0});
      if (std::string one_sided = training::one_sided_text(parts.back().found.summary, use);
          !one_sided.empty())
        parts.back().found.warnings.push_back(std::move(one_sided));
    };
    if (terms.empty())
      add("data", "any method", training::data_options(recipe_.data, "data"), data::RowUse::anything());
    for (const auto& term : terms) {
      add(term.name, term.name, term.data, term.use);
      if (recipe_.eval.data.is_null()) continue;
      const auto held_out = training::held_out_options(recipe_);
      add("eval", term.name, held_out, term.use);
      if (std::string same = training::trained_on_too(term.data, held_out); !same.empty())
        parts.back().found.warnings.push_back(std::move(same));
    }
    return parts;
  }

  std::int64_t held_out_of(const DataCheck& found) const {
    if (found.prompts.empty()) return 0;
    const auto chosen =
        data::choose_held_out(found.prompts, recipe_.val_size, static_cast<std::uint64_t>(recipe_.seed));
    return std::ranges::count(chosen, true);
  }

  Json as_json(const std::vector<Part>& parts, const Json& estimate) const {
    Json json = part_json(parts.front());
    json["estimate"] = estimate;
    json["load"] = load_ ? model::to_json(*load_) : Json();
    json["model_warnings"] = model_warnings_;
    json["continues"] = continues_.empty() ? Json() : Json(continues_);
    json["missing"] = missing().empty() ? Json() : Json(missing());
    json["others"] = Json::array();  // held-out data, and data of further methods
    for (std::size_t i = 1; i < parts.size(); ++i) json["others"].push_back(part_json(parts[i]));
    return json;
  }

  Json part_json(const Part& part) const {
    Json json = {{"what", part.what}, {"data", part.options.path}};
    json.update(data::to_json(part.found.summary));
    json["held_out"] = part.held_out;
    json["lengths"] = length_json(part.found.lengths);
    json["rows"] = Json::array();
    for (const auto& row : part.found.rows) json["rows"].push_back(record_json(row.id, row.tokens, codec_));
    json["left_out_rows"] = Json::array();
    for (const auto& [example, error] : part.found.left_out)
      json["left_out_rows"].push_back(unusable_json(example, error, codec_, part.options));
    json["warnings"] = part.found.warnings;
    return json;
  }

  std::string as_text(const std::vector<Part>& parts, const Json& estimate) const {
    std::string text;
    for (const auto& part : parts) {
      if (parts.size() > 1) text += fmt::format("{}{}: ", text.empty() ? "" : "\n", part.what);
      text += part_text(part);
    }
    if (!estimate.is_null())
      text += fmt::format("\nroughly   {} parameters, {} trained, {} MB, {} in {}\n",
                          core::human_count(estimate["parameters"].get<std::int64_t>()),
                          core::human_count(estimate["trained"].get<std::int64_t>()),
                          estimate["memory_mb"].get<double>(),
                          core::counted(estimate["steps"].get<std::int64_t>(), "update"),
                          core::human_seconds(estimate["seconds"].get<double>()));
    if (const std::string lacks = missing(); !lacks.empty()) text += fmt::format("to train  {}\n", lacks);
    if (!continues_.empty()) text += fmt::format("goes on   from {}\n", continues_);
    if (load_) {
      const std::size_t left_out = load_->unused.size() + load_->unread_heads.size();
      text += fmt::format("weights   {}, {}\n", core::counted(load_->tensors, "tensor"),
                          left_out == 0 ? "all used" : fmt::format("{} left out", left_out));
    }
    for (const auto& warning : model_warnings_) text += fmt::format("warning: {}\n", warning);
    for (const auto& part : parts)
      for (const auto& warning : part.found.warnings)
        text += fmt::format("warning: {}{}\n", parts.size() > 1 ? part.what + ": " : "", warning);
    return text;
  }

  std::string part_text(const Part& part) const {
    const auto& summary = part.found.summary;
    std::string text =
        fmt::format("{}\n  format    {}\n  rows      {} read, {} used, {}\n", part.options.name(),
                    summary.format, core::human_count(summary.rows_read),
                    core::human_count(summary.rows_kept), core::counted(summary.candidates, "completion"));
    if (part.held_out > 0)
      text += fmt::format("  held out  {} with prompts of their own\n", core::counted(part.held_out, "row"));
    text += fmt::format("  tokens    {}, {} trained on\n", core::human_count(summary.tokens),
                        core::human_count(summary.trained_tokens));
    text += fmt::format("  straddle  {}\n  cut       {}\n", core::counted(summary.straddling, "row"),
                        core::counted(summary.truncated, "row"));
    if (summary.pairs > 0 && summary.pairs != summary.rows_kept)
      text += fmt::format("  pairs     {} ({})\n", core::human_count(summary.pairs), summary.pairing);
    for (const auto& [what, rows] : summary.feedback.derived)
      text += fmt::format("  derived   {} ({})\n", what, core::counted(rows, "row"));
    for (const auto& [what, count] : summary.feedback.left_out)
      text += fmt::format("  not used  {}: {}\n", what, core::human_count(count));
    for (const auto& [reason, count] : summary.dropped) {
      text += fmt::format("  left out  {}: {}\n", core::counted(count, "row"), reason);
      for (const auto& example : summary.dropped_examples.at(reason))
        text += "              " + example + "\n";
    }
    return text + lengths_text(length_json(part.found.lengths)) + rows_text(part);
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

  /// ", chosen", or ", completion 2, reward 0.5" where a row has more than two.
  static std::string title_of(const ShownRow& row, std::size_t i) {
    const std::string role = i < row.roles.size() && !row.roles[i].empty() ? ", " + row.roles[i] : "";
    const bool numbered = row.tokens.completions.size() > 2 || (role.empty() && i > 0);
    return (numbered ? fmt::format(", completion {}", i) : "") + role;
  }

  std::string rows_text(const Part& part) const {
    std::string text;
    const bool colour = stdout_has_colour();
    for (const auto& row : part.found.rows)
      for (std::size_t i = 0; i < std::max<std::size_t>(1, row.tokens.completions.size()); ++i)
        text += fmt::format("\n— row {}{} —\n{}\n", row.id, title_of(row, i),
                            token_picture(row.tokens, i, codec_, colour));
    for (const auto& [example, error] : part.found.left_out)
      text += "\n" + unusable_picture("row ", example, error, codec_, part.options, colour);
    return text;
  }

  training::TrainRecipe recipe_;
  std::string tokenizer_;
  std::int64_t rows_ = 3;
  std::string continues_;  ///< the checkpoint in OUTPUT that training would continue from
  std::optional<model::LoadReport> load_;
  std::vector<std::string> model_warnings_;
  data::TextCodec codec_;
};

}  // namespace

std::unique_ptr<Command> command_check() { return std::make_unique<Check>(); }

}  // namespace attune::cli
