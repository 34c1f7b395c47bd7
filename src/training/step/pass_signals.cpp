// Which signals of the policy a pass reads, and how they are read.
#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>

#include "training/step/pass.h"
#include "training/step/phase.h"

namespace attune::training {
namespace {

using algorithm::Need;
using algorithm::Positions;
using algorithm::Source;

bool compares(const Need& need) { return model::signal_named(need.signal).needs_reference(); }

/// The same number of the policy, under the key that it has as its own.
Need own(Need need) {
  need.source = Source::kPolicy;
  return need;
}

bool has(const std::vector<Need>& needs, const Need& wanted) {
  return std::ranges::any_of(
      needs, [&](const Need& need) { return need.key() == wanted.key() && need.at == wanted.at; });
}

}  // namespace

model::SignalModel Engine::Pass::values_of(const model::SignalModel& forwarded) {
  model::SignalModel values = forwarded;
  values.hidden = forwarded.hidden.detach();
  return values;
}

const Need* Engine::Pass::ReadGroup::comparing() const {
  const auto found = std::ranges::find_if(needs, compares);
  return found == needs.end() ? nullptr : &*found;
}

std::vector<std::string> Engine::Pass::ReadGroup::signals() const {
  std::vector<std::string> names;
  for (const Need& need : needs) names.push_back(need.signal);
  return names;
}

std::vector<Engine::Pass::ReadGroup> Engine::Pass::groups_of(const std::vector<Need>& needs) {
  std::vector<ReadGroup> groups;
  for (const Need& need : needs) {
    const auto kind = model::signal_named(need.signal).kind();
    const auto joins = [&](const ReadGroup& group) {
      const Need* other = group.comparing();
      return group.at == need.at && group.kind == kind &&
             (!compares(need) || other == nullptr || other->against == need.against);
    };
    const auto found = std::ranges::find_if(groups, joins);
    if (found != groups.end())
      found->needs.push_back(need);
    else
      groups.push_back({need.at, kind, {need}});
  }
  return groups;
}

void Engine::Pass::choose_needs() {
  for (const Need& need : method_.needs())
    if (need.source == Source::kPolicy) reads_.push_back(need);
  std::vector<Need> all = reads_;
  for (const Need& need : method_.needs()) {
    if (need.source != Source::kOld || whole_.has(need.key())) continue;
    old_as_own_.push_back(need);
    if (!has(all, own(need))) all.push_back(own(need));
  }
  groups_ = groups_of(all);
}

std::vector<data::PackItem> Engine::Pass::items_of(std::size_t batch,
                                                   const std::vector<data::PackItem>& of_step) const {
  std::vector<data::PackItem> chosen;
  for (const std::int64_t local : batches_[batch].items)
    chosen.push_back(of_step[static_cast<std::size_t>(items_[static_cast<std::size_t>(local)])]);
  return chosen;
}

model::Other Engine::Pass::compared(std::size_t batch, const Need& need) const {
  const c10::NoGradGuard no_gradients;
  const Phase phase("forward, reference");
  const Step& step = prepared_.step;
  model::Other other;
  if (need.against == Source::kReference && need.at == Positions::kTokens && !step.reference_hidden.empty()) {
    std::vector<std::int64_t> of_step;
    for (const std::int64_t local : batches_[batch].items)
      of_step.push_back(items_[static_cast<std::size_t>(local)]);
    other.model = engine_.cached_reference(step, of_step);
  } else {
    const bool own_prompt = need.against == Source::kTeacher && !step.teacher_items.empty();
    const auto scorer = engine_.scorer(need.against).with(step.given.get());
    other.model = scorer.heads();
    other.model.hidden =
        scorer.hidden(items_of(batch, own_prompt ? step.teacher_items : step.items), need.at);
  }
  other.rows = at::arange(other.model.hidden.size(0), at::kLong);
  return other;
}

const model::Other* Engine::Pass::other_for(std::size_t batch, const ReadGroup& group) {
  const Need* need = group.comparing();
  if (need == nullptr) return nullptr;
  if (others_of_ != batch) others_.clear();
  others_of_ = batch;
  const auto [place, fresh] = others_.try_emplace(need->key() + std::to_string(static_cast<int>(need->at)));
  if (fresh) place->second = compared(batch, *need);
  return &place->second;
}

void Engine::Pass::put(const std::string& key, Positions at, std::size_t batch, const at::Tensor& numbers) {
  const at::Tensor local = numbers.to(at::kCPU, at::kDouble);
  const auto [place, fresh] = whole_.signals.try_emplace(key);
  if (fresh) {
    auto shape = local.sizes().vec();
    shape[0] = whole_.rows(at);
    place->second = {at, at::zeros(shape, at::kDouble)};
  }
  std::int64_t from = 0;
  for (const std::int64_t item : batches_[batch].items) {
    const auto [begin, count] = whole_.rows_of(item, at);
    place->second.numbers.narrow(0, begin, count).copy_(local.narrow(0, from, count));
    from += count;
  }
}

void Engine::Pass::read(std::size_t batch, const model::SignalModel& forwarded) {
  const c10::NoGradGuard no_gradients;
  const auto model = values_of(forwarded);
  for (const ReadGroup& group : groups_) {
    const model::Other* other = other_for(batch, group);
    const Phase phase("signals");
    const auto readout =
        generation::readout_of(batches_[batch].places(group.at), group.at, group.kind, model.hidden.device());
    const auto numbers = model::read_signals(model, readout, group.signals(), other);
    for (const Need& need : group.needs)
      if (has(reads_, need)) put(need.key(), group.at, batch, numbers.at(need.signal));
    for (const Need& need : old_as_own_)
      if (has(group.needs, own(need))) put(need.key(), group.at, batch, numbers.at(need.signal));
  }
}

}  // namespace attune::training
