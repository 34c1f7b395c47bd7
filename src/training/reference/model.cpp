#include "training/reference/model.h"

#include "core/files/files.h"
#include "training/method_needs.h"
#include "training/reference/cache.h"

namespace attune::training {
namespace {

model::Head copy_of(model::Head head) {
  head.weight = head.weight.detach().clone();
  if (head.bias.defined()) head.bias = head.bias.detach().clone();
  return head;
}

}  // namespace

bool holds_second_model(const TrainRecipe& recipe, bool adapter, bool compared) {
  const auto& reference = recipe.reference;
  return compared && (reference.sync || !reference.path.empty() || !(adapter || reference.cache));
}

ReferenceModel::ReferenceModel(const TrainRecipe& recipe, const model::Model& policy,
                               const std::vector<MethodTerm>& terms)
    : recipe_(recipe) {
  const std::string& path = recipe.reference.path;
  if (!holds_second_model(recipe, policy.has_adapter(), any_term(terms, reads_reference))) return;
  model_.emplace(model::Model::load(path.empty() ? recipe.model
                                                 : model::ModelOptions{path, recipe.model.dtype, "", ""}));
  if (recipe.reference.sync) model_->drop_adapter_after_merge();
}

void ReferenceModel::fill_caches(model::Model& policy, std::vector<MethodTerm>& terms,
                                 const EngineOptions& engine,
                                 const std::function<void(const std::string&)>& say) {
  if (!recipe_.reference.cache) return;
  Engine reader(policy, reference(), engine);
  const bool start_is_policy = !model_ && !policy.has_adapter();
  const auto source = start_is_policy ? algorithm::Source::kPolicy : algorithm::Source::kReference;
  const std::uint64_t fingerprint = model_ ? model_->fingerprint() : policy.fingerprint();
  const auto cached = [&](DataStream stream, std::int64_t updates, const MethodTerm& term) {
    const auto what = any_need(*term.method, compares_distributions) ? Cached::kHidden : Cached::kLogps;
    return std::make_shared<const ReferenceCache>(
        std::move(stream), updates, *term.method, policy.config(),
        CacheSource{reader, source, what, fingerprint}, core::cache_folder());
  };
  if (any_term(terms, compares_distributions))
    head_ = copy_of(model_ ? model_->head() : policy.head(model::Weights::kReference));
  for (auto& term : terms) {
    if (!any_need(*term.method, reads_reference)) continue;
    say("reference: computing its numbers once");
    term.cache = cached(term.stream, total_updates(terms, recipe_.training), term);
    if (!term.eval) continue;
    DataStream held_out = evaluation_stream(*term.eval, recipe_.training);
    const std::int64_t batches = held_out.batches_per_epoch();
    term.eval_cache = cached(std::move(held_out), batches, term);
  }
}

}  // namespace attune::training
