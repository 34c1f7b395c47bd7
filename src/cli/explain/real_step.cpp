#include "cli/explain/real_step.h"

#include <utility>

#include "cli/explain/step_json.h"
#include "core/error.h"
#include "generation/codec.h"
#include "training/method_needs.h"
#include "training/step/explained_step.h"

namespace attune::cli {
namespace {

using algorithm::Method;
using algorithm::Need;
using algorithm::Source;
using core::Json;
using training::any_need;

}  // namespace

RecordExplainer::RecordExplainer(RealStepOptions options, std::set<std::string> heads)
    : options_(std::move(options)) {
  options_.compute.apply();
  options_.model.heads = std::move(heads);
  model_.emplace(model::Model::load(options_.model));
  codec_ = generation::codec_of(*model_);
  if (options_.reference.path.empty()) return;
  reference_.emplace(model::Model::load({options_.reference.path, options_.model.dtype, "", ""},
                                        {&model_->load_report(), 1}));
  if (reference_->config().vocab_size != model_->config().vocab_size)
    core::fail_request("reference.path={}: it has a vocabulary of {} tokens and {} one of {}",
                       options_.reference.path, reference_->config().vocab_size, options_.model.path,
                       model_->config().vocab_size);
}

void RecordExplainer::prepare_for(const Method& method) {
  for (const std::string& head : training::heads_of(method)) {
    if (!heads_.contains(head + "_head"))
      heads_[head + "_head"] = model_->named_head(head).weight.defined() ? "model" : "fresh";
    model_->add_head(head, static_cast<std::uint64_t>(options_.compute.seed));
  }
  if (any_need(method, training::scores_steps)) model_->score_tokens();
  need_head(method, *model_, options_.model.path);
  if (reference_) need_head(method, *reference_, options_.reference.path);
}

/// A model without a language-model head has scores and no log-probabilities.
void RecordExplainer::need_head(const Method& method, const model::Model& model,
                                const std::string& path) const {
  if (model.head().weight.defined()) return;
  for (const Need& need : method.needs())
    if (!training::reads_head(need))
      core::fail_request("{}: has no language-model head (a reward model?), and {} reads '{}'", path,
                         method.info().name, need.key());
}

bool RecordExplainer::shows_reference(const Method& method) const {
  return any_need(method, training::reads_reference) || (reference_ && reference_->head().weight.defined());
}

Json RecordExplainer::explain(const ExplainedRecords& found, const Method& method) {
  std::vector<Need> extra;  // log-probabilities are shown whether the method reads them or not
  if (model_->head().weight.defined()) extra.push_back({"logps", Source::kPolicy});
  if (shows_reference(method)) extra.push_back({"logps", Source::kReference});
  const training::Engine engine(*model_, {reference_ ? &*reference_ : &*model_}, {});
  return step_json(found, training::explain_step(engine, found.step, method, extra), method, codec_);
}

Json RecordExplainer::heading(const ExplainedRecords& found, const Method& method) const {
  const ExplainedRecord& first = found.records.front();
  Json result;
  result["model"] = options_.model.path;
  result["dtype"] = options_.model.dtype;
  result["reference"] = !shows_reference(method) ? Json()
                        : reference_             ? Json(options_.reference.path)
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

RealStep real_step(Method& method, RealStepOptions options) {
  RecordExplainer explainer(std::move(options), training::heads_of(method));
  explainer.prepare_for(method);
  const RealStepOptions& asked = explainer.options();
  const std::int64_t count = method.scope() == algorithm::Scope::kStep ? asked.step_records : 1;
  const ExplainedRecords found =
      explained_records(asked.data, explainer.codec(), method, explainer.config(), asked.record, count);
  Json result = {{"method", method.info().name}, {"options", method.fields().to_json()}};
  result.update(explainer.heading(found, method));
  result.update(explainer.explain(found, method));
  return {std::move(result), explainer.codec()};
}

}  // namespace attune::cli
