#include "training/reference/model.h"

#include "core/error.h"
#include "core/files/files.h"
#include "training/method_needs.h"
#include "training/reference/cache.h"

namespace attune::training {
namespace {

model::Head copy_of(model::Head head) {
  head.weight = head.weight.detach().clone();
  if (head.bias.defined()) head.bias = head.bias.detach().clone();
  if (head.adapter) head.adapter = head.adapter->frozen();
  return head;
}

}  // namespace

bool holds_second_model(const TrainRecipe& recipe, bool adapter, bool compared) {
  const auto& reference = recipe.reference;
  return compared && (reference.sync || !reference.path.empty() || !(adapter || reference.cache));
}

void check_cache(const TrainRecipe& recipe, bool adapter, const algorithm::Method& method) {
  if (!recipe.reference.cache) return;
  const bool start_stays = adapter || !recipe.reference.path.empty();
  for (const algorithm::Need& need : method.needs()) {
    if (reads_reference(need) && (need.at != algorithm::Positions::kTokens || reads_head(need)))
      core::fail_request(
          "reference.cache keeps what the reference says of tokens, and {} reads '{}' elsewhere; leave "
          "reference.cache out",
          method.info().name, need.key());
    if (reads_teacher(need) && recipe.teacher.path.empty() && !start_stays)
      core::fail_request(
          "reference.cache holds no model, and the teacher of {} is the model as it was before training; name "
          "teacher.path, or leave reference.cache out",
          method.info().name);
  }
}

ReferenceModel::ReferenceModel(const TrainRecipe& recipe, const model::Model& policy,
                               const std::vector<MethodTerm>& terms)
    : recipe_(recipe) {
  const std::string& path = recipe.reference.path;
  const auto& teacher = recipe.teacher.path;
  std::vector<model::LoadReport> said = {policy.load_report()};
  if (!teacher.empty() && any_term(terms, reads_teacher)) {
    teacher_.emplace(model::Model::load({teacher, recipe.model.dtype, "", ""}, said));
    said.push_back(teacher_->load_report());
  }
  if (!holds_second_model(recipe, policy.has_adapter(), any_term(terms, reads_start(recipe)))) return;
  model_.emplace(model::Model::load(
      path.empty() ? recipe.model : model::ModelOptions{path, recipe.model.dtype, "", ""}, said));
  if (recipe.reference.sync) model_->drop_adapter_after_merge();
}

void ReferenceModel::fill_caches(model::Model& policy, std::vector<MethodTerm>& terms,
                                 const EngineOptions& engine,
                                 const std::function<void(const std::string&)>& say) {
  if (!recipe_.reference.cache) return;
  const Engine reader(policy, frozen(), engine);
  const bool start_is_policy = !model_ && !policy.has_adapter();
  const auto source = start_is_policy ? algorithm::Source::kPolicy : algorithm::Source::kReference;
  const std::uint64_t weights = model_ ? model_->fingerprint() : policy.fingerprint();
  const auto cached = [&](StepSource& steps, std::int64_t count, const MethodTerm& term,
                          const data::Dataset& data) {
    const auto what = any_need(*term.method, reads_more_than_logps) ? Cached::kHidden : Cached::kLogps;
    const std::uint64_t fingerprint = data.summary().fingerprint ^ (weights * 0x9e3779b97f4a7c15ULL);
    const bool draws = data.use().learns() && data.use().pairing().draws();
    const bool repeats =
        term.method->derived() == algorithm::Derived::kNone && !draws;  // every epoch has the same
    return std::make_shared<const ReferenceCache>(
        steps, count, repeats, CacheSource{reader.scorer(source), what, fingerprint}, core::cache_folder());
  };
  if (any_term(terms, reads_more_than_logps))
    head_ = copy_of(model_ ? model_->head() : policy.head(model::Weights::kReference));
  for (auto& term : terms) {
    if (!any_need(*term.method, reads_reference)) continue;
    say("reference: computing its numbers once");
    const auto rehearsal = term.steps->rehearsal();
    if (!rehearsal)
      core::fail_request(
          "reference.cache: the steps of {} are sampled while it trains, so the reference's numbers "
          "cannot be computed before; leave reference.cache out",
          term.name);
    term.cache = cached(*rehearsal, total_updates(terms, recipe_.training), term, term.data);
    if (!term.eval) continue;
    const auto held_out = evaluation_steps(term, recipe_.training, policy.config());
    term.eval_cache = cached(*held_out, held_out->steps_per_epoch(), term, *term.eval);
  }
}

}  // namespace attune::training
