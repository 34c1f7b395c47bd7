// Reading signals: in chunks of rows, so that no [T, V] tensor ever exists.
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

/// One model's hidden states at the rows of a readout, and their logits.
class ChunkReader {
 public:
  ChunkReader(const SignalModel& model, const at::Tensor& rows) : model_(model), rows_(rows) {
    if (!model.head.weight.defined())
      core::fail_request("this model has no language-model head: it was saved without one");
    weight_ = model.head.weight.detach();
    if (model.head.bias.defined()) bias_ = model.head.bias.detach();
    if (model.head.adapter) adapter_ = &*model.head.adapter;
  }

  at::Tensor rows(std::int64_t from, std::int64_t count) const { return rows_.narrow(0, from, count); }
  at::Tensor hidden(std::int64_t from, std::int64_t count) const {
    return model_.hidden.detach().index_select(0, rows(from, count));
  }

  /// [R, V], computed in place after the product.
  at::Tensor logits(const at::Tensor& hidden) const {
    at::Tensor out =
        (adapter_ ? adapted(hidden) : at::mm(hidden, weight_.t())).to(wide_type(hidden.scalar_type()));
    if (bias_.defined() && !adapter_) out.add_(bias_);
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

  /// ∂loss/∂h of a chunk from its ∂loss/∂(h Wᵀ + b); an adapter's tensors get their gradients on the way.
  at::Tensor backward(const at::Tensor& hidden, const at::Tensor& gradient) const {
    if (!adapter_) return at::mm(gradient, weight_);
    const c10::AutoGradMode taped(true);
    const at::Tensor leaf = hidden.detach().requires_grad_(true);
    adapted(leaf).backward(gradient);
    return leaf.grad();
  }

  const at::Tensor& weight() const { return weight_; }

 private:
  at::Tensor adapted(const at::Tensor& hidden) const {
    return adapter_->kind->forward(*adapter_, {weight_, bias_}, hidden, hidden);
  }

  const SignalModel& model_;
  at::Tensor rows_, weight_, bias_;
  const LayerAdapter* adapter_ = nullptr;
};

std::int64_t chunk_rows(std::int64_t vocabulary) {
  // below some tens of rows the product would only stream the weights
  return std::clamp<std::int64_t>(kChunkElements / vocabulary, 64, 4096);
}

struct Request {
  std::vector<const Signal*> vocabulary, head;
  bool needs_other = false;
};

Request sort_out(const std::vector<std::string>& names, const Other* other) {
  Request request;
  for (const auto& name : names) {
    const Signal& signal = signal_named(name);
    (signal.kind() == SignalKind::kVocabulary ? request.vocabulary : request.head).push_back(&signal);
    request.needs_other = request.needs_other || signal.needs_reference();
  }
  ATTUNE_ASSERT(!request.needs_other || other != nullptr);
  return request;
}

/// The other model's reader where one is needed.
std::optional<ChunkReader> reader_of(const Request& request, const SignalModel& policy,
                                     const Readout& readout, const Other* other) {
  if (!request.needs_other) return std::nullopt;
  ATTUNE_ASSERT(other->rows.size(0) == readout.rows.size(0));
  std::optional<ChunkReader> reader(std::in_place, other->model, other->rows);
  if (reader->weight().size(0) != policy.head.weight.size(0))
    core::fail_request(
        "the model that is compared with has a vocabulary of {} tokens and this one {}: distributions over "
        "different tokens cannot be compared",
        reader->weight().size(0), policy.head.weight.size(0));
  return reader;
}

SignalChunk chunk_of(const ChunkReader& policy, const at::Tensor& hidden, const Readout& readout,
                     std::int64_t from, std::int64_t count, const ChunkReader* other) {
  SignalChunk chunk;
  chunk.logits = policy.logits(hidden);
  chunk.log_normalizer = at::logsumexp(chunk.logits, {1});
  chunk.targets = readout.targets.narrow(0, from, count);
  if (!other) return chunk;
  chunk.reference_logits = other->logits(other->hidden(from, count));
  chunk.reference_log_normalizer = at::logsumexp(chunk.reference_logits, {1});
  return chunk;
}

void backward_chunk(const ChunkReader& reader, const SignalModel& policy, const Readout& readout,
                    std::int64_t from, std::int64_t count, const Upstream& upstream,
                    const std::vector<const Signal*>& signals, const ChunkReader* other,
                    at::Tensor& d_hidden) {
  const at::Tensor hidden = reader.hidden(from, count);
  const SignalChunk chunk = chunk_of(reader, hidden, readout, from, count, other);
  at::Tensor gradient = at::zeros_like(chunk.logits);
  for (const Signal* signal : signals) {
    const at::Tensor part = upstream.at(signal->name()).narrow(0, from, count).to(gradient.scalar_type());
    signal->backward(chunk, part, gradient);
  }
  reader.undo(gradient, chunk.logits);
  const at::Tensor narrow = gradient.to(hidden.scalar_type());
  d_hidden.index_add_(0, reader.rows(from, count), reader.backward(hidden, narrow));
  if (at::Tensor* total = trained_gradient(policy.head.weight)) total->addmm_(narrow.t(), hidden);
  if (at::Tensor* total = trained_gradient(policy.head.bias)) total->add_(narrow.sum(0));
}

}  // namespace

at::Tensor Signal::forward(const SignalChunk&) const {
  core::assertion_failed("a signal of the vocabulary has forward()", __FILE__, __LINE__);
}

void Signal::backward(const SignalChunk&, const at::Tensor&, at::Tensor&) const {
  core::assertion_failed("a differentiable signal of the vocabulary has backward()", __FILE__, __LINE__);
}

at::ScalarType wide_type(at::ScalarType type) { return type == at::kDouble ? at::kDouble : at::kFloat; }

at::Tensor* trained_gradient(const at::Tensor& parameter) {
  if (!parameter.defined() || !parameter.requires_grad()) return nullptr;
  at::Tensor& gradient = parameter.mutable_grad();
  if (!gradient.defined()) gradient = at::zeros(parameter.sizes(), parameter.options().requires_grad(false));
  return &gradient;
}

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
                                               const std::vector<std::string>& names, const Other* other) {
  const c10::NoGradGuard no_grad;
  const Request request = sort_out(names, other);
  const std::int64_t total = readout.rows.size(0);
  std::map<std::string, at::Tensor> out;
  for (const Signal* signal : request.head) out[signal->name()] = read_head(*signal, policy, readout);
  if (request.vocabulary.empty()) return out;
  const auto options =
      policy.hidden.options().dtype(wide_type(policy.hidden.scalar_type())).requires_grad(false);
  for (const Signal* signal : request.vocabulary) out[signal->name()] = at::empty({total}, options);
  const ChunkReader reader(policy, readout.rows);
  const auto beside = reader_of(request, policy, readout, other);
  const std::int64_t step = chunk_rows(policy.head.weight.size(0));
  for (std::int64_t from = 0; from < total; from += step) {
    const std::int64_t count = std::min(step, total - from);
    const SignalChunk chunk =
        chunk_of(reader, reader.hidden(from, count), readout, from, count, beside ? &*beside : nullptr);
    for (const Signal* signal : request.vocabulary)
      out[signal->name()].narrow(0, from, count).copy_(signal->forward(chunk));
  }
  return out;
}

at::Tensor backward_signals(const SignalModel& policy, const Readout& readout,
                            const std::map<std::string, at::Tensor>& upstream, const Other* other) {
  const c10::NoGradGuard no_grad;
  std::vector<std::string> names;
  for (const auto& [name, unused] : upstream)
    if (signal_named(name).differentiable()) names.push_back(name);
  const Request request = sort_out(names, other);
  const std::int64_t total = readout.rows.size(0);
  at::Tensor d_hidden = at::zeros(policy.hidden.sizes(), policy.hidden.options().requires_grad(false));
  for (const Signal* signal : request.head)
    backward_head(*signal, policy, readout, upstream.at(signal->name()), d_hidden);
  if (request.vocabulary.empty()) return d_hidden;
  const ChunkReader reader(policy, readout.rows);
  const auto beside = reader_of(request, policy, readout, other);
  const std::int64_t step = chunk_rows(policy.head.weight.size(0));
  for (std::int64_t from = 0; from < total; from += step)
    backward_chunk(reader, policy, readout, from, std::min(step, total - from), upstream, request.vocabulary,
                   beside ? &*beside : nullptr, d_hidden);
  return d_hidden;
}

}  // namespace attune::model
