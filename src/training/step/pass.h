// One pass of the policy over some items of a prepared step: its signals, the coefficients that come of them,
// and the way back through the model.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "training/step/engine.h"

namespace attune::training {

class Engine::Pass {
 public:
  Pass(const Engine& engine, const PreparedStep& prepared, const algorithm::Method& method,
       std::span<const std::int64_t> items, const algorithm::Totals& totals, Purpose purpose);

  /// What the purpose asks for; gradients come multiplied by weight.
  StepResult run(const algorithm::State& state, double weight);

 private:
  /// Signals that are read together: they share the rows and, where they compare, the other model.
  struct ReadGroup {
    algorithm::Positions at;
    model::SignalKind kind;
    std::vector<algorithm::Need> needs;
    const algorithm::Need* comparing() const;
    std::vector<std::string> signals() const;
  };
  void choose_needs();
  static std::vector<ReadGroup> groups_of(const std::vector<algorithm::Need>& needs);
  /// Whether all signals are needed before any coefficient, or micro-batch after micro-batch can be finished.
  bool needs_whole() const;
  bool trains() const { return purpose_ == Purpose::kTrain; }
  /// The same without the way back.
  static model::SignalModel values_of(const model::SignalModel& forwarded);
  bool drops() const { return trains() && engine_.options_.adapter_dropout > 0; }
  /// What each sequence of a micro-batch drops hangs on its place in the step and on the update, so neither
  /// the split into micro-batches nor that among processes changes it. Empty: nothing is dropped.
  std::vector<std::uint64_t> dropout_keys(std::size_t batch) const;
  model::SignalModel forward(std::size_t batch) const;
  /// Reads the policy's signals of one micro-batch.
  void read(std::size_t batch, const model::SignalModel& forwarded);
  /// Copies numbers of a micro-batch to their places.
  void put(const std::string& key, algorithm::Positions at, std::size_t batch, const at::Tensor& numbers);
  /// The other model of a group that compares distributions, beside the rows of a readout; null where none
  /// does.
  const model::Other* other_for(std::size_t batch, const ReadGroup& group);
  model::Other compared(std::size_t batch, const algorithm::Need& need) const;
  /// Of several processes: the signals that the others have read.
  void gather_signals();
  /// Of several processes: loss and metrics of all of them.
  void sum_results();
  /// The same numbers group by group.
  void add_groups(const algorithm::State& state);
  void differentiate(const std::vector<std::int64_t>& local, const algorithm::State& state);
  /// Pushes the coefficients of one micro-batch through the model.
  void backward(std::size_t batch, const model::SignalModel& policy, double weight);
  std::map<std::string, at::Tensor> upstream_of(std::size_t batch, const ReadGroup& group, double weight,
                                                at::Device device) const;
  std::vector<data::PackItem> items_of(std::size_t batch, const std::vector<data::PackItem>& of_step) const;

  const Engine& engine_;
  const PreparedStep& prepared_;
  const algorithm::Method& method_;
  Purpose purpose_;
  std::vector<std::int64_t> items_;          ///< of the step, in the order of the pass; on all processes
  std::pair<std::size_t, std::size_t> own_;  ///< which of items_ this process computes: [first, last)
  std::vector<algorithm::Need> reads_;       ///< signals of the policy that the method asks for
  std::vector<ReadGroup> groups_;            ///< of reads_ and of what stands for kOld
  std::vector<algorithm::Need> old_as_own_;  ///< of kOld: the policy's own numbers of this pass
  std::vector<data::PackedBatch> batches_;   ///< of the own items
  algorithm::Batch whole_;  ///< the items of the pass, with the policy's signals as they come in
  std::map<std::string, at::Tensor> coefficients_;
  std::map<std::string, model::Other> others_;  ///< of micro-batch others_of_
  std::size_t others_of_ = 0;
  StepResult result_;
};

}  // namespace attune::training
