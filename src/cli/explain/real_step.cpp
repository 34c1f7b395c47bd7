#include "cli/explain/real_step.h"

#include <optional>

#include "cli/explain/records.h"
#include "cli/explain/step_json.h"
#include "core/error.h"
#include "generation/codec.h"
#include "training/method_needs.h"
#include "training/step/explained_step.h"

namespace attune::cli {
namespace {

using algorithm::Need;
using algorithm::Source;
using core::Json;
using training::any_need;

class RecordExplainer {
 public:
  RecordExplainer(algorithm::Method& method, RealStepOptions& options) : method_(method), options_(options) {}

  RealStep compute() {
    options_.compute.apply();
    load();
    const std::int64_t count = method_.scope() == algorithm::Scope::kStep ? options_.step_records : 1;
    const ExplainedRecords found =
        explained_records(options_.data, codec_, method_, model_->config(), options_.record, count);
    training::Engine engine(*model_, {reference_ ? &*reference_ : &*model_}, {});
    const auto explained = training::explain_step(engine, found.step, method_, extra_signals());
    Json result = heading(found);
    result.update(step_json(found, explained, method_, codec_));
    return {std::move(result), std::move(codec_)};
  }

 private:
  void load() {
    options_.model.heads = training::heads_of(method_);
    model_.emplace(model::Model::load(options_.model));
    for (const std::string& head : training::heads_of(method_)) {
      heads_[head + "_head"] = model_->named_head(head).weight.defined() ? "model" : "fresh";
      model_->add_head(head, static_cast<std::uint64_t>(options_.compute.seed));
    }
    if (training::any_need(method_, training::scores_steps)) model_->score_tokens();
    need_head(*model_, options_.model.path);
    codec_ = generation::codec_of(*model_);
    if (options_.reference.path.empty()) return;
    reference_.emplace(model::Model::load({options_.reference.path, options_.model.dtype, "", ""},
                                          {&model_->load_report(), 1}));
    need_head(*reference_, options_.reference.path);
    if (reference_->config().vocab_size != model_->config().vocab_size)
      core::fail_request("reference.path={}: it has a vocabulary of {} tokens and {} one of {}",
                         options_.reference.path, reference_->config().vocab_size, options_.model.path,
                         model_->config().vocab_size);
  }

  /// A model without a language-model head has scores and no log-probabilities.
  void need_head(const model::Model& model, const std::string& path) const {
    if (model.head().weight.defined()) return;
    for (const Need& need : method_.needs())
      if (!training::reads_head(need))
        core::fail_request("{}: has no language-model head (a reward model?), and {} reads '{}'", path,
                           method_.info().name, need.key());
  }

  bool shows_reference() const {
    return any_need(method_, training::reads_reference) ||
           (reference_ && reference_->head().weight.defined());
  }

  /// Log-probabilities are shown whether the method reads them or not.
  std::vector<Need> extra_signals() const {
    std::vector<Need> extra;
    if (model_->head().weight.defined()) extra.push_back({"logps", Source::kPolicy});
    if (shows_reference()) extra.push_back({"logps", Source::kReference});
    return extra;
  }

  Json heading(const ExplainedRecords& found) const {
    const ExplainedRecord& first = found.records.front();
    Json result = {{"method", method_.info().name}, {"options", method_.fields().to_json()}};
    result["model"] = options_.model.path;
    result["dtype"] = options_.model.dtype;
    result["reference"] = !shows_reference() ? Json()
                          : reference_       ? Json(options_.reference.path)
                                             : Json("policy");
    result.update(heads_);
    result["data"] = options_.data.name();
    result["format"] = found.format;
    result["record"] = options_.record;
    result["row"] = first.row.index;
    result["id"] = first.example.id;
    result["step_records"] = found.records.size();
    result["prompt"] = codec_.tokenizer ? codec_.tokenizer->decode(first.row.prompt) : "";
    result["prompt_ids"] = first.row.prompt;
    return result;
  }

  algorithm::Method& method_;
  RealStepOptions& options_;
  std::optional<model::Model> model_, reference_;
  Json heads_ = Json::object();  ///< "score_head": whether the model brought it or it is fresh
  data::TextCodec codec_;
};

}  // namespace

void RealStepOptions::Reference::declare(core::Fields& fields) {
  fields.add("path", path,
             "A model folder; without it the same weights as model=, as at the start of training.");
}

void RealStepOptions::declare(core::Fields& fields) {
  fields.section("model", model, "A model, to explain the method on a real record of data.", "path");
  fields.section("reference", reference, "The frozen model that the method compares with.", "path");
  fields.section("data", data, "Records for that; the first that the method can use is taken.", "path");
  fields.add("record", record, "Which of the records that the method can use, counted from 0.")
      .non_negative();
  fields
      .add("step_records", step_records,
           "Records in the step, for methods whose loss couples a whole step (kto, aot): this one and those "
           "after it.")
      .range(1, 1e4);
  fields.add("tokens", tokens, "How many tokens of an answer are shown.").range(1, 1e9);
  compute.declare(fields);
}

RealStep real_step(algorithm::Method& method, RealStepOptions options) {
  return RecordExplainer(method, options).compute();
}

}  // namespace attune::cli
