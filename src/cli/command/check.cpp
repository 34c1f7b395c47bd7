// attune check: what `train` would make of its data, without training.
#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <span>

#include "cli/check/check_data.h"
#include "cli/check/check_picture.h"
#include "cli/check/estimate.h"
#include "cli/command.h"
#include "cli/compute_options.h"
#include "cli/tokens/record_tokens.h"
#include "core/error.h"
#include "core/system.h"
#include "data/split.h"
#include "generation/sampling/generation_config.h"
#include "training/hook.h"
#include "training/method_needs.h"
#include "training/reference/model.h"
#include "training/run/recipe/named_files.h"
#include "training/run/recipe/resolve.h"
#include "training/run/run.h"
#include "training/step/frozen_models.h"

namespace attune::cli {
namespace {

using core::Json;

class Check : public Command {
 public:
  CommandInfo info() const override {
    return {
        .name = "check",
        .summary = "Shows what train would make of its data: format, counts, masks, lengths, warnings.",
        .usage = "[recipe.yaml] model=MODEL data=FILE method=NAME [--json]",
        .details =
            "Takes everything that train takes and trains nothing: what train would refuse is refused with the "
            "same message, after the picture of the data where there is one. Only output may be left out, and with "
            "tokenizer= the model and the method. Trained tokens are shown in green, or in ⟦ ⟧ where there are no "
            "colours. With --json: one object.",
        .examples = {{"attune check model=MODEL data=prefs.jsonl method=dpo", "before a run"},
                     {"attune check recipes/dpo.yaml model=MODEL data=prefs.jsonl rows=10",
                      "a recipe, with a picture of the first ten rows"}}};
  }

  void declare(core::Fields& fields) override {
    recipe_.declare(fields);
    fields.add("tokenizer", tokenizer_, "Folder or tokenizer.json, instead of a model.");
    fields.add("rows", rows_, "How many rows are shown token by token.").range(0, 1000);
  }

  /// Those of `train`. Where only a method or an output is missing, the data are shown before that is said.
  std::vector<std::string> objections(bool refused) const override {
    if (!tokenizer_.empty() && !recipe_.data.is_null())
      return training::objections_to(recipe_, false, refused);
    const bool shows_nothing = recipe_.model.path.empty() || recipe_.data.is_null();
    if (!refused && !shows_nothing && training::objections_to(recipe_, false, false).empty()) return {};
    return training::objections_to(recipe_, true, refused);
  }

  int run(const Request&, Output& out) override {
    const training::TrainRecipe asked = recipe_;
    ComputeOptions compute{recipe_.device, recipe_.threads, recipe_.seed, recipe_.kernels};
    compute.apply();
    recipe_.device = compute.device;
    recipe_.threads = compute.threads;
    recipe_.kernels = compute.kernels;
    const bool has_model = tokenizer_.empty();
    const bool complete = has_model && !asked.method.is_null() && !asked.output.empty();
    std::string wrong;
    try {
      look_through(has_model, complete, out);
    } catch (const core::Error& error) {
      if (complete || !has_model || error.exit_code() != 2) throw;
      wrong = error.what();
    }
    if (has_model && (asked.method.is_null() || !wrong.empty())) refuse_all(all_objections(asked, wrong));
    return 0;
  }

 private:
  /// What training would say of a request that is not complete, and of its rows. What only reading all of them tells
  /// is added.
  static std::vector<std::string> all_objections(const training::TrainRecipe& asked,
                                                 const std::string& wrong) {
    auto all = training::objections_to(asked, true, true);
    if (all.size() == 1 && !wrong.empty()) all.push_back(wrong);
    return all;
  }

  void look_through(bool has_model, bool complete, Output& out) {
    recipe_.settle();
    const auto terms =
        recipe_.method.is_null() ? std::vector<training::TermSetting>() : training::terms_of(recipe_);
    if (has_model && !terms.empty()) training::resolve(recipe_, terms);
    const std::exception_ptr refused = complete ? refusal_of_output() : nullptr;
    try {
      show(terms, has_model, out);
    } catch (const core::Error&) {
      if (!refused) throw;
    }
    if (refused) std::rethrow_exception(refused);
  }

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
    std::vector<model::LoadReport> said = {*load_};
    for (const auto& other : {recipe_.teacher.path, recipe_.reference.path}) {
      if (other.empty()) continue;
      said.push_back(model::Model::peek_load({other, recipe_.model.dtype, "", ""}));
      const auto news = said.back().warnings_besides(std::span(said).first(said.size() - 1));
      model_warnings_.insert(model_warnings_.end(), news.begin(), news.end());
    }
    const bool samples = recipe_.samples.prompts > 0 && !recipe_.model.heads.contains("score");
    if (!samples) return;
    if (auto unheeded = generation::unheeded_settings(load_->folder); !unheeded.empty())
      model_warnings_.push_back(std::move(unheeded));
  }

  std::vector<CheckedPart> look(const std::vector<training::TermSetting>& terms) const {
    std::vector<CheckedPart> parts;
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

  Json as_json(const std::vector<CheckedPart>& parts, const Json& estimate) const {
    Json json = part_json(parts.front(), codec_);
    json["estimate"] = estimate;
    json["load"] = load_ ? model::to_json(*load_) : Json();
    json["model_warnings"] = model_warnings_;
    json["continues"] = continues_.empty() ? Json() : Json(continues_);
    json["missing"] = missing().empty() ? Json() : Json(missing());
    json["others"] = Json::array();  // held-out data, and data of further methods
    for (std::size_t i = 1; i < parts.size(); ++i) json["others"].push_back(part_json(parts[i], codec_));
    return json;
  }

  std::string as_text(const std::vector<CheckedPart>& parts, const Json& estimate) const {
    std::string text;
    for (const auto& part : parts) {
      if (parts.size() > 1) text += fmt::format("{}{}: ", text.empty() ? "" : "\n", part.what);
      text += part_text(part, codec_);
    }
    if (!estimate.is_null())
      text += fmt::format("\nroughly   {} parameters, {} trained, {} MB, {} in {}\n",
                          core::human_count(estimate["parameters"].get<std::int64_t>()),
                          core::human_count(estimate["trained"].get<std::int64_t>()),
                          estimate["memory_mb"].get<double>(),
                          core::counted(estimate["steps"].get<std::int64_t>(), "update"),
                          core::human_seconds(estimate["seconds"].get<double>()));
    if (const std::string lacks = missing(); !lacks.empty() && !recipe_.method.is_null())
      text += fmt::format("to train  {}\n", lacks);
    if (!continues_.empty()) text += fmt::format("goes on   from {}\n", continues_);
    if (load_) {
      const std::size_t left_out =
          load_->unused.size() + load_->unread_heads.size() + load_->unread_adapter_heads.size();
      text += fmt::format("weights   {}, {}\n", core::counted(load_->tensors, "tensor"),
                          left_out == 0 ? "all used" : fmt::format("{} left out", left_out));
    }
    for (const auto& warning : model_warnings_) text += fmt::format("warning: {}\n", warning);
    for (const auto& part : parts)
      for (const auto& warning : part.found.warnings)
        text += fmt::format("warning: {}{}\n", parts.size() > 1 ? part.what + ": " : "", warning);
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
