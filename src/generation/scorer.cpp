#include "generation/scorer.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <map>

#include "core/error.h"
#include "data/tokens/trained.h"

namespace attune::generation {
namespace {

at::Tensor long_tensor(const std::vector<std::int64_t>& values, at::Device device) {
  return at::tensor(values, at::kLong).to(device);
}

std::span<const data::PackItem> items_of(const data::PackedBatch& batch,
                                         std::span<const data::PackItem> all) {
  if (batch.items.empty()) return {};
  return all.subspan(static_cast<std::size_t>(batch.items.front()), batch.items.size());
}

}  // namespace

model::Readout readout_of(const data::Places& places, Positions at, model::SignalKind kind,
                          at::Device device) {
  const bool standing = kind == model::SignalKind::kHead && at != Positions::kTokens;
  const auto& rows = standing ? places.standing : places.predicting;
  const auto missing = std::find(rows.begin(), rows.end(), -1);
  if (missing != rows.end())
    core::fail_request("token {} of the stream {}", missing - rows.begin(),
                       standing
                           ? "is not computed, and a head is to be read there"
                           : "begins its sequence: nothing predicts it, and a signal is to be read there");
  return {long_tensor(rows, device), long_tensor(places.tokens, device)};
}

Scorer::Scorer(const model::Model& model, model::Weights which, ScorerOptions options)
    : model_(model), which_(which), options_(std::move(options)) {}

Scorer Scorer::with(const model::GivenRows* given) const {
  Scorer reader = *this;
  reader.options_.given = given;
  return reader;
}

model::SignalModel Scorer::heads() const {
  model::SignalModel heads;
  heads.head = model_.head(which_);
  heads.heads = model_.named_heads();
  heads.temperature = options_.temperature;
  return heads;
}

void Scorer::walk(std::span<const data::PackItem> items, const OnBatch& on_batch) const {
  const c10::NoGradGuard no_gradients;
  model::SignalModel forwarded = heads();
  for (const data::PackedBatch& batch : data::pack(items, options_.token_budget, options_.share_prefixes)) {
    if (options_.before_each) options_.before_each();
    forwarded.hidden = model_.hidden({batch.forest, options_.given}, which_, {}, options_.tap);
    on_batch(batch, forwarded);
  }
}

std::vector<at::Tensor> Scorer::read_all(std::span<const data::PackItem> items,
                                         std::span<const Reading> readings, const Scorer* other,
                                         std::span<const data::PackItem> theirs) const {
  // Micro-batches hold runs of items, so what comes later stands later.
  std::vector<std::vector<at::Tensor>> collected(readings.size());
  walk(items, [&](const data::PackedBatch& batch, const model::SignalModel& forwarded) {
    std::map<Positions, model::Other> others;
    for (std::size_t i = 0; i < readings.size(); ++i) {
      const auto& [name, at] = readings[i];
      const model::Signal& signal = model::signal_named(name);
      const auto readout = readout_of(batch.places(at), at, signal.kind(), forwarded.hidden.device());
      const model::Other* compared = nullptr;
      if (signal.needs_reference()) {
        ATTUNE_ASSERT(other != nullptr);
        model::Other& place = others[at];
        if (!place.rows.defined()) {
          place.model = other->heads();
          place.model.hidden = other->hidden(items_of(batch, theirs), at);
          place.rows = at::arange(place.model.hidden.size(0), at::kLong);
        }
        compared = &place;
      }
      collected[i].push_back(
          model::read_signals(forwarded, readout, {name}, compared).at(name).to(at::kCPU, at::kDouble));
    }
  });
  std::vector<at::Tensor> numbers;
  for (const auto& parts : collected)
    numbers.push_back(parts.empty() ? at::zeros({0}, at::kDouble) : at::cat(parts));
  return numbers;
}

std::vector<at::Tensor> Scorer::read(std::span<const data::PackItem> items,
                                     std::span<const Reading> readings) const {
  return read_all(items, readings, nullptr, {});
}

std::vector<at::Tensor> Scorer::compare(std::span<const data::PackItem> items,
                                        std::span<const Reading> readings, const Scorer& other,
                                        std::span<const data::PackItem> theirs) const {
  ATTUNE_ASSERT(items.size() == theirs.size());
  return read_all(items, readings, &other, theirs);
}

std::vector<std::vector<double>> Scorer::logps(std::span<const data::PackItem> items) const {
  if (items.empty()) return {};
  const std::vector<Reading> readings = {{"logps"}};
  return by_item(read(items, readings).front(), items, Positions::kTokens);
}

data::PackItem text_item(std::span<const std::int32_t> prompt, std::span<const std::int32_t> completion,
                         std::int64_t group) {
  data::PackItem item;
  item.ids.assign(prompt.begin(), prompt.end());
  item.ids.insert(item.ids.end(), completion.begin(), completion.end());
  item.prompt_length = static_cast<std::int32_t>(prompt.size());
  item.mask.assign(completion.size(), 1);
  item.group = group;
  return item;
}

at::Tensor Scorer::hidden(std::span<const data::PackItem> items, Positions at) const {
  std::vector<at::Tensor> parts;
  walk(items, [&](const data::PackedBatch& batch, const model::SignalModel& forwarded) {
    const auto readout =
        readout_of(batch.places(at), at, model::SignalKind::kVocabulary, forwarded.hidden.device());
    parts.push_back(forwarded.hidden.index_select(0, readout.rows));
  });
  return at::cat(parts);
}

std::vector<std::int32_t> trained_tokens(const data::PackItem& item) {
  std::vector<std::int32_t> ids;
  const auto prompt = static_cast<std::size_t>(item.prompt_length);
  for (std::size_t k = data::first_predicted(prompt); k < item.mask.size(); ++k)
    if (item.mask[k] != 0) ids.push_back(item.ids[prompt + k]);
  return ids;
}

std::int64_t rows_of(const data::PackItem& item, Positions at) {
  if (at == Positions::kLast) return 1;
  if (at == Positions::kStepEnds) return std::ssize(item.step_ends);
  return data::trained_count(static_cast<std::size_t>(item.prompt_length), item.mask);
}

std::vector<std::vector<double>> by_item(const at::Tensor& numbers, std::span<const data::PackItem> items,
                                         Positions at) {
  const at::Tensor plain = numbers.contiguous();
  const double* next = plain.const_data_ptr<double>();
  std::vector<std::vector<double>> lists;
  for (const data::PackItem& item : items) {
    const std::int64_t count = rows_of(item, at);
    lists.emplace_back(next, next + count);
    next += count;
  }
  ATTUNE_ASSERT(next == plain.const_data_ptr<double>() + plain.numel());
  return lists;
}

}  // namespace attune::generation
