// One optimiser step's worth of candidates, ready to be computed.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "algorithm/method.h"
#include "data/packing.h"
#include "data/row_use.h"
#include "data/tokenized_row.h"
#include "model/config.h"

namespace attune::training {

/// Parallel lists over the N candidates of a step; candidates of one group are neighbours.
struct Step {
  std::uint64_t number = 0;  ///< 1, 2, … keys random numbers
  std::vector<data::PackItem> items;
  std::vector<algorithm::Candidate> candidates;
  /// Signals known beforehand, per candidate one number per trained token: "old_logps" of sampled candidates,
  /// "ref_logps" from a cache. A key is present for all candidates or absent.
  std::map<std::string, std::vector<std::vector<double>>> known;
  /// The reference's hidden states at the trained tokens, [tokens, D] per candidate, from a cache; empty:
  /// computed.
  std::vector<at::Tensor> reference_hidden;
  std::vector<std::int64_t> rows;            ///< dataset row of every candidate (messages, reference cache)
  std::vector<std::int64_t> row_candidates;  ///< its place among the record's candidates; -1 for derived ones

  std::int64_t size() const { return static_cast<std::int64_t>(items.size()); }
  /// Every token of every sequence, a prompt once for each of its candidates (what TRL calls num_tokens; it
  /// leaves out KTO's mismatched completions).
  std::int64_t tokens() const;
  /// Offsets of trained tokens per candidate; the first token of a sequence without prompt is not trained.
  core::Offsets offsets() const;
  algorithm::Totals totals() const;
};

/// Appends a completion of which every token is read: for scoring texts with Engine::read, outside of
/// training.
/// @param group texts of one group stand together and may share their prompt
void append_text(Step& step, std::span<const std::int32_t> prompt, std::span<const std::int32_t> completion,
                 std::int64_t group);

/// The shape of what a method of this kind learns from.
record::GroupShape shape_of(algorithm::Feedback feedback);

/// Builds a step from dataset rows: chosen and rejected, labels, groups or lists, as they were read for, with the extra
/// candidates that the method asks for. Deterministic: derived candidates depend on the order of rows only.
/// @param key seed and step of a pairing that draws
Step assemble_step(std::span<const data::TokenizedRow> rows, const algorithm::Method& method,
                   const model::ModelConfig& config, const data::RowUse& use, record::PairingKey key = {});

}  // namespace attune::training
