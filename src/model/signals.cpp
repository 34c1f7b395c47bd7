// The fused head: signals and their gradients in chunks of rows, so that no [T, V] tensor ever exists.
#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <optional>

#include "core/error.h"
#include "model/signal.h"
#include "model/signal_math.h"

namespace attune::model {
namespace {

using Upstream = std::map<std::string, at::Tensor>;

at::ScalarType wide_type(at::ScalarType type) { return type == at::kDouble ? at::kDouble : at::kFloat; }

/// Rows of the reference's or policy's hidden states, and their logits.
class ChunkReader {
 public:
  explicit ChunkReader(const SignalModel& model) : model_(model), weight_(model.head.weight.detach()) {
    if (model.head.bias.defined()) bias_ = model.head.bias.detach();
  }

  at::Tensor hidden(const at::Tensor& rows) const { return model_.hidden.detach().index_select(0, rows); }

  /// [R, V], computed in place after the product.
  at::Tensor logits(const at::Tensor& hidden) const {
    at::Tensor out = at::mm(hidden, weight_.t()).to(wide_type(hidden.scalar_type()));
    if (bias_.defined()) out.add_(bias_);
    if (model_.head.softcap > 0) out.div_(model_.head.softcap).tanh_().mul_(model_.head.softcap);
    if (model_.temperature != 1) out.div_(model_.temperature);
    return out;
  }

  /// Turns ∂loss/∂logits into ∂loss/∂(h Wᵀ + b), in place.
  void undo(at::Tensor& gradient, const at::Tensor& logits) const {
    if (model_.temperature != 1) gradient.div_(model_.temperature);
    if (model_.head.softcap > 0)  // z = c tanh(u / c):  dz/du = 1 - (z / c)²
      gradient.mul_(1 - (logits * (model_.temperature / model_.head.softcap)).square_());
  }

  const at::Tensor& weight() const { return weight_; }

 private:
  const SignalModel& model_;
  at::Tensor weight_, bias_;
};

std::int64_t chunk_rows(std::int64_t vocabulary) {
  // below some tens of rows the product would only stream the weights
  return std::clamp<std::int64_t>(kChunkElements / vocabulary, 64, 4096);
}

struct Request {
  std::vector<const Signal*> vocabulary, head;
  bool needs_reference = false;
};

Request sort_out(const std::vector<std::string>& names, const SignalModel* reference) {
  Request request;
  for (const auto& name : names) {
    const Signal& signal = signal_named(name);
    (signal.kind() == SignalKind::kVocabulary ? request.vocabulary : request.head).push_back(&signal);
    request.needs_reference = request.needs_reference || signal.needs_reference();
  }
  ATTUNE_ASSERT(!request.needs_reference || reference != nullptr);
  return request;
}

SignalChunk chunk_of(const ChunkReader& policy, const at::Tensor& hidden, const Readout& readout,
                     std::int64_t from, std::int64_t count, const ChunkReader* reference) {
  SignalChunk chunk;
  chunk.logits = policy.logits(hidden);
  chunk.log_normalizer = at::logsumexp(chunk.logits, {1});
  chunk.targets = readout.targets.narrow(0, from, count);
  if (!reference) return chunk;
  chunk.reference_logits = reference->logits(reference->hidden(readout.rows.narrow(0, from, count)));
  chunk.reference_log_normalizer = at::logsumexp(chunk.reference_logits, {1});
  return chunk;
}

const Head& score_of(const SignalModel& model) {
  return model.score.weight.defined() ? model.score : model.head;
}

void require_head(const Head& head, const char* what) {
  if (!head.weight.defined()) core::fail_request("this model has no {}: it was saved without one", what);
}

/// [M]; several labels are refused where one number is asked for.
at::Tensor read_score(const SignalModel& model, const Readout& readout) {
  const Head& head = score_of(model);
  require_head(head, "reward head (score)");
  if (head.weight.size(0) != 1)
    core::fail_request("the reward head has {} outputs; a reward needs exactly one", head.weight.size(0));
  const at::Tensor rows = model.hidden.detach().index_select(0, readout.rows);
  at::Tensor out = at::mv(rows, head.weight.detach()[0]).to(wide_type(rows.scalar_type()));
  if (head.bias.defined()) out.add_(head.bias.detach());
  return out;
}

/// gradient += value, creating it first; only for weights that are trained.
template <class Add>
void accumulate(const at::Tensor& parameter, Add add) {
  if (!parameter.defined() || !parameter.requires_grad()) return;
  at::Tensor& gradient = parameter.mutable_grad();
  if (!gradient.defined()) gradient = at::zeros(parameter.sizes(), parameter.options().requires_grad(false));
  add(gradient);
}

void backward_score(const SignalModel& model, const Readout& readout, const at::Tensor& upstream,
                    at::Tensor& d_hidden) {
  const Head& head = score_of(model);
  require_head(head, "reward head (score)");
  const at::Tensor coefficients = upstream.to(head.weight.scalar_type());
  d_hidden.index_add_(0, readout.rows, at::outer(coefficients, head.weight.detach()[0]));
  accumulate(head.weight, [&](at::Tensor& gradient) {
    gradient[0].add_(at::mv(model.hidden.detach().index_select(0, readout.rows).t(), coefficients));
  });
  accumulate(head.bias, [&](at::Tensor& gradient) { gradient.add_(coefficients.sum()); });
}

void backward_chunk(const ChunkReader& reader, const SignalModel& policy, const Readout& readout,
                    std::int64_t from, std::int64_t count, const Upstream& upstream,
                    const std::vector<const Signal*>& signals, const ChunkReader* reference,
                    at::Tensor& d_hidden) {
  const at::Tensor rows = readout.rows.narrow(0, from, count), hidden = reader.hidden(rows);
  const SignalChunk chunk = chunk_of(reader, hidden, readout, from, count, reference);
  at::Tensor gradient = at::zeros_like(chunk.logits);
  for (const Signal* signal : signals) {
    const at::Tensor part = upstream.at(signal->name()).narrow(0, from, count).to(gradient.scalar_type());
    signal->backward(chunk, part, gradient);
  }
  reader.undo(gradient, chunk.logits);
  const at::Tensor narrow = gradient.to(hidden.scalar_type());
  d_hidden.index_add_(0, rows, at::mm(narrow, reader.weight()));
  accumulate(policy.head.weight, [&](at::Tensor& total) { total.addmm_(narrow.t(), hidden); });
  accumulate(policy.head.bias, [&](at::Tensor& total) { total.add_(narrow.sum(0)); });
}

}  // namespace

at::Tensor probabilities(const SignalChunk& chunk) {
  return (chunk.logits - chunk.log_normalizer.unsqueeze(1)).exp_();
}

at::Tensor reference_probabilities(const SignalChunk& chunk) {
  return (chunk.reference_logits - chunk.reference_log_normalizer.unsqueeze(1)).exp_();
}

const Signal& signal_named(std::string_view name) {
  for (const auto& [known, make] : signal_entries())
    if (known == name) return *make();
  core::fail_request("no signal is called '{}'", name);
}

std::map<std::string, at::Tensor> read_signals(const SignalModel& policy, const Readout& readout,
                                               const std::vector<std::string>& names,
                                               const SignalModel* reference) {
  const c10::NoGradGuard no_grad;
  const Request request = sort_out(names, reference);
  const std::int64_t total = readout.rows.size(0);
  std::map<std::string, at::Tensor> out;
  for (const Signal* signal : request.head) out[signal->name()] = read_score(policy, readout);
  if (request.vocabulary.empty()) return out;
  require_head(policy.head, "language-model head");
  const auto options =
      policy.hidden.options().dtype(wide_type(policy.hidden.scalar_type())).requires_grad(false);
  for (const Signal* signal : request.vocabulary) out[signal->name()] = at::empty({total}, options);
  const ChunkReader reader(policy);
  std::optional<ChunkReader> other;
  if (request.needs_reference) other.emplace(*reference);
  const std::int64_t step = chunk_rows(policy.head.weight.size(0));
  for (std::int64_t from = 0; from < total; from += step) {
    const std::int64_t count = std::min(step, total - from);
    const at::Tensor hidden = reader.hidden(readout.rows.narrow(0, from, count));
    const SignalChunk chunk = chunk_of(reader, hidden, readout, from, count, other ? &*other : nullptr);
    for (const Signal* signal : request.vocabulary)
      out[signal->name()].narrow(0, from, count).copy_(signal->forward(chunk));
  }
  return out;
}

at::Tensor backward_signals(const SignalModel& policy, const Readout& readout,
                            const std::map<std::string, at::Tensor>& upstream, const SignalModel* reference) {
  const c10::NoGradGuard no_grad;
  std::vector<std::string> names;
  for (const auto& [name, unused] : upstream)
    if (signal_named(name).differentiable()) names.push_back(name);
  const Request request = sort_out(names, reference);
  const std::int64_t total = readout.rows.size(0);
  at::Tensor d_hidden = at::zeros(policy.hidden.sizes(), policy.hidden.options().requires_grad(false));
  for (const Signal* signal : request.head)
    backward_score(policy, readout, upstream.at(signal->name()), d_hidden);
  if (request.vocabulary.empty()) return d_hidden;
  require_head(policy.head, "language-model head");
  const ChunkReader reader(policy);
  std::optional<ChunkReader> other;
  if (request.needs_reference) other.emplace(*reference);
  const std::int64_t step = chunk_rows(policy.head.weight.size(0));
  for (std::int64_t from = 0; from < total; from += step)
    backward_chunk(reader, policy, readout, from, std::min(step, total - from), upstream, request.vocabulary,
                   other ? &*other : nullptr, d_hidden);
  return d_hidden;
}

}  // namespace attune::model
