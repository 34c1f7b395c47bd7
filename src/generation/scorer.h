// The one reader: what a model says of given sequences. Frozen passes of training, `score`, reward models
// and evaluation read their numbers here; the trained model's own pass reads the same places
// (readout_of).
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "data/packing.h"
#include "model/model.h"
#include "model/signal.h"
#include "record/positions.h"

namespace attune::generation {

using record::Positions;

/// A signal at some positions.
struct Reading {
  std::string signal;  ///< a file of model/signal/
  Positions at = Positions::kTokens;
};

/// Where a stream is read. A signal of the vocabulary is about a token and is read where that token is
/// predicted; a head is read at the token itself, except per token (kTokens), where it says what is expected
/// before the token is written, as a value does.
/// @throws Error{kRequest} when a token has nothing before it that could predict it, or is not computed
model::Readout readout_of(const data::Places& places, Positions at, model::SignalKind kind,
                          at::Device device);

struct ScorerOptions {
  std::int64_t token_budget = 4096;  ///< stream tokens computed at a time
  bool share_prefixes = true;
  double temperature = 1;                  ///< logits are divided by it
  std::function<void()> before_each = {};  ///< called before each micro-batch: to look for an interrupt
  model::Tap* tap = nullptr;  ///< sees and may change every pass; null: none. Outlives the scorer
  /// What content keys of items stand for (data::PackItem::content); null: there are none. Outlives the scorer
  const model::GivenRows* given = nullptr;
};

class Scorer {
 public:
  /// @param model must outlive this object. @param which the trained weights, or those it started with
  Scorer(const model::Model& model, model::Weights which, ScorerOptions options);

  /// The same for items whose content keys stand for these rows. @param given null: none; outlives the result
  Scorer with(const model::GivenRows* given) const;

  /// The numbers of every reading, in the order asked for: float64 on the processor, those of items one after
  /// another: [rows], or [rows, K] from a head with K outputs. Items of one group stand together and share
  /// their prompt.
  std::vector<at::Tensor> read(std::span<const data::PackItem> items,
                               std::span<const Reading> readings) const;

  /// The same of signals that compare distributions: the other model reads `theirs`, item for item with as
  /// many rows at these positions (a teacher may see another prompt).
  std::vector<at::Tensor> compare(std::span<const data::PackItem> items, std::span<const Reading> readings,
                                  const Scorer& other, std::span<const data::PackItem> theirs) const;

  /// log π of the tokens of each item.
  std::vector<std::vector<double>> logps(std::span<const data::PackItem> items) const;

  /// Hidden states where signals of the vocabulary are read: [rows of all items, D], in the model's dtype.
  at::Tensor hidden(std::span<const data::PackItem> items, Positions at) const;
  /// What they are multiplied with.
  model::SignalModel heads() const;

 private:
  using OnBatch = std::function<void(const data::PackedBatch& batch, const model::SignalModel& forwarded)>;
  void walk(std::span<const data::PackItem> items, const OnBatch& on_batch) const;
  std::vector<at::Tensor> read_all(std::span<const data::PackItem> items, std::span<const Reading> readings,
                                   const Scorer* other, std::span<const data::PackItem> theirs) const;

  const model::Model& model_;
  model::Weights which_;
  ScorerOptions options_;
};

/// A completion of which every token is read. @param group texts of one group stand together and may share
/// their prompt
data::PackItem text_item(std::span<const std::int32_t> prompt, std::span<const std::int32_t> completion,
                         std::int64_t group);

/// The numbers of read() item by item, as a list each; for readings with one number a row.
std::vector<std::vector<double>> by_item(const at::Tensor& numbers, std::span<const data::PackItem> items,
                                         Positions at);

/// Ids of the tokens that are read (kTokens), in order.
std::vector<std::int32_t> trained_tokens(const data::PackItem& item);

/// How many numbers an item has at these positions.
std::int64_t rows_of(const data::PackItem& item, Positions at);

}  // namespace attune::generation
