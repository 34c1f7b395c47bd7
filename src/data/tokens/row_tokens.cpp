#include "data/tokens/row_tokens.h"

#include <algorithm>

#include "data/tokens/row_needs.h"

namespace attune::data {
namespace {

/// Old log-probs cut as the completion was; without a number for every id they say nothing.
std::vector<double> fitting_logps(const std::vector<double>& logps,
                                  const TokenizedExample::Completion& completion) {
  const auto front = static_cast<std::size_t>(completion.dropped_front);
  const auto tail = static_cast<std::size_t>(completion.prompt_tail);
  const std::size_t own = completion.ids.size() - tail;
  if (logps.size() < front + own || (!completion.truncated && logps.size() != own)) return {};
  std::vector<double> out(tail, 0.0);
  const auto begin = logps.begin() + static_cast<std::ptrdiff_t>(front);
  out.insert(out.end(), begin, begin + static_cast<std::ptrdiff_t>(own));
  return out;
}

std::vector<double> fitting_scores(const std::vector<double>& scores,
                                   const TokenizedExample::Completion& completion) {
  if (completion.step_ends.empty()) return completion.truncated ? std::vector<double>() : scores;
  const auto begin = scores.begin() + std::min<std::ptrdiff_t>(completion.dropped_steps, std::ssize(scores));
  return {begin, begin + std::min(std::ssize(completion.step_ends), scores.end() - begin)};
}

CachedCandidate cached_candidate(const record::Candidate& candidate, TokenizedExample::Completion completion) {
  CachedCandidate out{record::feedback_of(candidate), {}, {}};
  // The numbers that the samples were drawn with, where they are told; else the writing model's own.
  out.old_logps = fitting_logps(candidate.sampling_logps.empty() ? candidate.logps : candidate.sampling_logps,
                                completion);
  out.said.step_scores = fitting_scores(candidate.step_scores, completion);
  out.said.truncated = completion.truncated;
  out.completion = std::move(completion);
  return out;
}

}  // namespace

core::Result<CachedRow> tokenize_row(const SourceRow& row, const TextCodec& codec, const DataOptions& options,
                                     RowNeeds needs) {
  record::Example example = row.example.value();
  if (const auto problem = meet_needs(example, needs)) return *problem;
  if (needs == RowNeeds::kPromptsOnly && example.language_modelling) {
    auto prompt = tokenize_prompt(example, codec);
    if (!prompt.ok()) return prompt.error();
    example = record::Example();
    example.prompt_ids = std::move(prompt.value());
  }
  auto tokenized = tokenize_example(example, codec, options, true);
  if (!tokenized.ok()) return tokenized.error();
  if (const auto problem = check_distinct(example, tokenized.value(), needs)) return *problem;
  CachedRow out;
  out.index = row.index;
  out.meta = example.meta;
  out.prompt = std::move(tokenized.value().prompt);
  for (std::size_t i = 0; i < example.candidates.size(); ++i)
    out.candidates.push_back(
        cached_candidate(example.candidates[i], std::move(tokenized.value().completions[i])));
  return out;
}

void count_row(const CachedRow& row, std::int64_t copies, DatasetSummary& summary) {
  bool straddles = false, truncated = false;
  for (const auto& candidate : row.candidates) {
    const auto& completion = candidate.completion;
    straddles = straddles || completion.straddles;
    truncated = truncated || completion.truncated;
    summary.tokens += copies * std::ssize(completion.ids);
    summary.trained_tokens += copies * std::count(completion.mask.begin(), completion.mask.end(), 1);
    // The first token of a sequence without prompt is never trained on.
    if (row.prompt.empty() && !completion.mask.empty() && completion.mask[0] == 1)
      summary.trained_tokens -= copies;
  }
  const auto sequences = std::max<std::int64_t>(1, std::ssize(row.candidates));
  summary.tokens += copies * sequences * std::ssize(row.prompt);
  summary.rows_kept += copies;
  summary.candidates += copies * std::ssize(row.candidates);
  summary.straddling += straddles ? copies : 0;
  summary.truncated += truncated ? copies : 0;
}

}  // namespace attune::data
