// Signals that a named head gives: a linear function of the hidden state, K numbers a row.
#include <ATen/ATen.h>

#include "core/error.h"
#include "model/signal.h"
#include "model/signal_math.h"

namespace attune::model {
namespace {

const Head& head_of(const Signal& signal, const SignalModel& model) {
  const HeadInfo info = signal.head();
  const auto found = model.heads.find(info.name);
  if (found == model.heads.end() || !found->second.weight.defined())
    core::fail_request("this model has no {} head: there is no tensor '{}.weight' in its files", info.name,
                       info.path);
  return found->second;
}

}  // namespace

std::map<std::string, HeadInfo> known_heads() {
  std::map<std::string, HeadInfo> heads;
  for (const auto& [name, make] : signal_entries())
    if (HeadInfo head = make()->head(); !head.name.empty()) heads.emplace(head.name, head);
  return heads;
}

at::Tensor read_head(const Signal& signal, const SignalModel& model, const Readout& readout) {
  const Head& head = head_of(signal, model);
  const at::Tensor rows = model.hidden.detach().index_select(0, readout.rows);
  at::Tensor out = at::mm(rows, head.weight.detach().t()).to(wide_type(rows.scalar_type()));
  if (head.bias.defined()) out.add_(head.bias.detach());
  return out.size(1) == 1 ? out.squeeze(1) : out;
}

void backward_head(const Signal& signal, const SignalModel& model, const Readout& readout,
                   const at::Tensor& upstream, at::Tensor& d_hidden) {
  const Head& head = head_of(signal, model);
  const at::Tensor coefficients = upstream.to(head.weight.scalar_type()).reshape({-1, head.weight.size(0)});
  d_hidden.index_add_(0, readout.rows, at::mm(coefficients, head.weight.detach()));
  if (at::Tensor* gradient = trained_gradient(head.weight))
    gradient->addmm_(coefficients.t(), model.hidden.detach().index_select(0, readout.rows));
  if (at::Tensor* gradient = trained_gradient(head.bias)) gradient->add_(coefficients.sum(0));
}

}  // namespace attune::model
