#include "training/step/sampled_step.h"

#include "core/error.h"
#include "training/step/grouped_rows.h"

namespace attune::training {
namespace {

/// An example whose candidates are ids, as a row: spans into the example and into `masks`.
data::TokenizedRow row_of(const record::Example& example, std::int64_t index,
                          std::vector<std::vector<std::uint8_t>>& masks) {
  data::TokenizedRow row;
  row.index = index;
  if (example.prompt_ids) row.prompt = *example.prompt_ids;
  for (const record::Candidate& candidate : example.candidates) {
    ATTUNE_ASSERT(candidate.completion_ids.has_value());
    data::TokenizedCandidate tokens;
    tokens.said = record::feedback_of(candidate);
    tokens.completion = *candidate.completion_ids;
    masks.push_back(candidate.completion_mask);
    masks.back().resize(tokens.completion.size(), 1);
    tokens.mask = masks.back();
    tokens.old_logps = candidate.sampling_logps.empty() ? candidate.logps : candidate.sampling_logps;
    row.candidates.push_back(std::move(tokens));
  }
  return row;
}

}  // namespace

SampledStep step_of_samples(std::span<const record::Example> examples, std::span<const std::int64_t> numbers,
                            const algorithm::Method& method, const model::ModelConfig& config,
                            const data::RowUse& use, record::PairingKey key) {
  ATTUNE_ASSERT(examples.size() == numbers.size());
  SampledStep out;
  std::vector<data::TokenizedRow> rows;
  std::vector<record::Grouping> groupings;
  std::vector<std::vector<std::uint8_t>> masks;  // moving a list leaves its bytes where they are
  for (std::size_t e = 0; e < examples.size(); ++e) {
    std::vector<record::Candidate> candidates = examples[e].candidates;
    for (std::size_t i = 0; i < candidates.size(); ++i) candidates[i].index = static_cast<std::uint32_t>(i);
    key.record = static_cast<std::uint64_t>(numbers[e]);
    auto found = use.pairing().group(candidates, use.shape(), key, out.counts);
    if (!found.ok()) {
      ++out.unusable[found.error().reason];
      continue;
    }
    rows.push_back(row_of(examples[e], numbers[e], masks));
    groupings.push_back(std::move(found.value()));
    for (std::size_t i = 0; i < groupings.back().members.size(); ++i)
      rows.back().candidates[groupings.back().members[i]].said = groupings.back().said[i];
  }
  out.step = assemble_groups(rows, groupings, method, config);
  return out;
}

}  // namespace attune::training
