#include "data/tokens/row_tokens.h"

#include <algorithm>

#include "data/tokens/conversation/turns.h"
#include "data/tokens/row_needs.h"
#include "data/tokens/tokenize.h"
#include "record/derived_feedback.h"

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

CachedCandidate cached_candidate(const record::Candidate& candidate,
                                 TokenizedExample::Completion completion) {
  CachedCandidate out{record::feedback_of(candidate), {}, {}};
  // The numbers that the samples were drawn with, where they are told; else the writing model's own.
  out.old_logps = fitting_logps(candidate.sampling_logps.empty() ? candidate.logps : candidate.sampling_logps,
                                completion);
  out.said.step_scores = fitting_scores(candidate.step_scores, completion);
  out.said.truncated = completion.truncated || record::was_cut(candidate);
  out.completion = std::move(completion);
  return out;
}

/// The prompt of a row whose candidates are sampled; a text or conversation gives its own.
std::optional<core::ItemError> leave_prompt(record::Example& example, const TextCodec& codec) {
  if (!example.language_modelling) {
    example.candidates.clear();
    return {};
  }
  auto prompt = tokenize_prompt(example, codec);
  if (!prompt.ok()) return prompt.error();
  record::Example alone;
  alone.id = example.id;
  alone.meta = example.meta;
  alone.prompt_ids = std::move(prompt.value());
  example = std::move(alone);
  return {};
}

/// Whether who is learned from changes from step to step. Only pairs are found anew at each.
bool draws_pairs(const RowUse& use) {
  return use.learns(record::GroupShape::kPairs) && use.pairing().draws();
}

/// Leaves the candidates that are learned from, with what the pairing understood of them.
std::optional<core::ItemError> choose(record::Example& example, const RowUse& use,
                                      const record::PairingKey& key, record::PairingCounts& counts) {
  auto found = use.pairing().group(example.candidates, use.shape(), key, counts);
  if (!found.ok()) return found.error();
  if (draws_pairs(use)) return {};  // another step may draw the others
  auto& grouping = found.value();
  for (std::size_t i = 0; i < grouping.members.size(); ++i)
    record::copy_feedback(grouping.said[i], example.candidates[grouping.members[i]]);
  // Pairs are found anew at every step, whatever the order: that of the record stays.
  if (use.shape() == record::GroupShape::kPairs) std::ranges::sort(grouping.members);
  std::vector<record::Candidate> chosen;
  for (const std::size_t member : grouping.members) chosen.push_back(std::move(example.candidates[member]));
  example.candidates = std::move(chosen);
  return {};
}

std::int64_t duplicates_in(const record::PairingCounts& counts) {
  const auto found = counts.left_out.find("duplicates");
  return found == counts.left_out.end() ? 0 : found->second;
}

/// Completions may become equal when they are cut: the pairs, or the list, of what is left.
/// @param known duplicates of this row that are counted already and still there
std::optional<core::ItemError> group_ids(CachedRow& row, const RowUse& use, const record::PairingKey& key,
                                         record::PairingCounts& counts, std::int64_t known) {
  std::vector<record::Candidate> candidates;
  for (const CachedCandidate& candidate : row.candidates) {
    candidates.push_back(candidate.said);
    candidates.back().completion_ids = candidate.completion.ids;
  }
  record::PairingCounts again;
  auto found = use.pairing().group(candidates, use.shape(), key, again);
  if (duplicates_in(again) > known) counts.left_out["duplicates"] += duplicates_in(again) - known;
  if (!found.ok()) return found.error();
  auto& grouping = found.value();
  if (auto problem = check_needs(grouping.said, grouping.pairs, use, row)) return problem;
  row.pairs = std::ssize(grouping.pairs);
  for (std::size_t i = 0; i < grouping.members.size(); ++i)
    row.candidates[grouping.members[i]].said.role = grouping.said[i].role;
  if (draws_pairs(use)) return {};
  std::ranges::sort(grouping.members);
  std::vector<CachedCandidate> kept;
  for (const std::size_t member : grouping.members) kept.push_back(std::move(row.candidates[member]));
  row.candidates = std::move(kept);
  return {};
}

/// What is asked of candidates that nothing is left to choose of.
std::optional<core::ItemError> check_rest(CachedRow& row, const RowUse& use) {
  std::vector<record::Candidate> candidates;
  for (const CachedCandidate& candidate : row.candidates) candidates.push_back(candidate.said);
  return check_needs(candidates, {}, use, row);
}

/// Differently judged candidates that all came out as the same ids, where no pairing has looked at that.
std::optional<core::ItemError> check_distinct(const CachedRow& row) {
  const auto& all = row.candidates;
  if (all.size() < 2) return {};
  const auto& first = all.front();
  const bool judged = std::ranges::any_of(all, [&](const CachedCandidate& c) {
    return (c.said.rank && first.said.rank && *c.said.rank != *first.said.rank) ||
           (c.said.label && first.said.label && *c.said.label != *first.said.label);
  });
  const bool differ = std::ranges::any_of(
      all, [&](const CachedCandidate& c) { return c.completion.ids != first.completion.ids; });
  if (!judged || differ) return {};
  return core::ItemError{
      first.completion.truncated ? "chosen equal to rejected after truncation" : "chosen equal to rejected",
      ""};
}

/// Of a reasoning with a wrong step only the steps before it are imitated.
std::optional<core::ItemError> mask_wrong_steps(const record::Candidate& candidate, const TextCodec& codec,
                                                TokenizedExample::Completion& completion) {
  const auto right = record::right_steps(candidate);
  if (!right) return {};
  if (candidate.steps.empty() || !codec.tokenizer)
    return core::ItemError{
        "a wrong step, and where it begins is not known: \"steps\" and a tokenizer tell it", ""};
  if (*right <= static_cast<std::size_t>(completion.dropped_steps))
    return core::ItemError{"no right step is left after truncation", ""};
  const std::size_t left = *right - static_cast<std::size_t>(completion.dropped_steps);
  if (left > completion.step_ends.size()) return {};  // cut before the wrong step begins
  const auto end = completion.mask.begin() + completion.step_ends[left - 1] + 1;
  std::fill(end, completion.mask.end(), std::uint8_t{0});
  if (std::find(completion.mask.begin(), end, 1) == end) return core::ItemError{"no trained tokens", ""};
  return {};
}

/// A score is for a step whose place is known.
std::optional<core::ItemError> check_steps(const record::Candidate& candidate, const CachedCandidate& kept) {
  const std::size_t said = candidate.step_scores.size(), known = candidate.steps.size();
  if (known == 0)
    return core::ItemError{"scored steps, and where they end is not known: \"steps\" tells it", ""};
  if (said != known)
    return core::ItemError{"scores that are not one a step", fmt::format("{} for {} steps", said, known)};
  if (kept.said.step_scores.empty()) return core::ItemError{"no scored step is left after truncation", ""};
  return {};
}

core::Result<CachedRow> tokens_of(const record::Example& example, const TextCodec& codec,
                                  const DataOptions& options, const RowUse& use) {
  auto tokenized = tokenize_example(example, codec, options, true);
  if (!tokenized.ok()) return tokenized.error();
  auto& tokens = tokenized.value();
  CachedRow out;
  out.meta = example.meta;
  out.prompt = std::move(tokens.prompt);
  out.teacher_prompt = std::move(tokens.teacher_prompt);
  out.rendered = std::move(tokens.rendered);
  for (std::size_t i = 0; i < example.candidates.size(); ++i) {
    if (use.learns(record::GroupShape::kDemonstrations))
      if (const auto problem = mask_wrong_steps(example.candidates[i], codec, tokens.completions[i]))
        return *problem;
    out.candidates.push_back(cached_candidate(example.candidates[i], std::move(tokens.completions[i])));
    if (use.learns(record::GroupShape::kSteps))
      if (const auto problem = check_steps(example.candidates[i], out.candidates.back())) return *problem;
  }
  return out;
}

}  // namespace

core::Result<CachedRow> tokenize_row(record::Example example, std::int64_t index, const TextCodec& codec,
                                     const DataOptions& options, const RowUse& use,
                                     record::PairingCounts& counts) {
  for (std::size_t i = 0; i < example.candidates.size(); ++i)
    example.candidates[i].index = static_cast<std::uint32_t>(i);
  const record::PairingKey key{0, static_cast<std::uint64_t>(index), 0};
  const std::int64_t duplicates = duplicates_in(counts);
  std::optional<core::ItemError> problem;
  if (use.only_prompts()) problem = leave_prompt(example, codec);
  if (use.learns()) problem = choose(example, use, key, counts);
  if (problem) return *problem;
  auto out = tokens_of(example, codec, options, use);
  if (!out.ok()) return out;
  out.value().index = index;
  if (use.learns(record::GroupShape::kPairs) || use.learns(record::GroupShape::kLists))
    problem = group_ids(out.value(), use, key, counts,
                        use.learns(record::GroupShape::kPairs) ? duplicates_in(counts) - duplicates : 0);
  else if (!use.learns() || use.learns(record::GroupShape::kLabels))
    problem = check_distinct(out.value());
  if (!problem && use.learns() && !use.learns(record::GroupShape::kPairs))
    problem = check_rest(out.value(), use);
  if (problem) return *problem;
  return out;
}

void tokenize_rows(const SourceRow& row, const TextCodec& codec, const DataOptions& options,
                   const RowUse& use, record::PairingCounts& counts,
                   const std::function<void(const record::Example&, core::Result<CachedRow>)>& visit) {
  DataOptions read = options;
  if (use.only_prompts()) read.turns = "whole";  // the conversation is to be answered
  // An attempt that ends in a split counts nothing: its turns do.
  const auto tokenize = [&](const record::Example& example) {
    record::PairingCounts counted = counts;
    auto tokens = tokenize_row(example, row.index, codec, read, use, counted);
    if (tokens.ok() || !asks_for_split(tokens.error())) counts = std::move(counted);
    return tokens;
  };
  const std::string split = for_each_row_of(row.example.value(), read, tokenize, visit);
  if (!split.empty()) ++counts.derived[split];
}

void count_row(const CachedRow& row, std::int64_t copies, const std::string& where, DatasetSummary& summary) {
  bool straddles = false, truncated = false;
  std::vector<std::span<const std::uint8_t>> masks;
  for (const auto& candidate : row.candidates) {
    straddles = straddles || candidate.completion.straddles;
    truncated = truncated || candidate.completion.truncated;
    masks.emplace_back(candidate.completion.mask);
    summary.spread.count(candidate.said, where);
  }
  summary.count_sequences(std::ssize(row.prompt), masks, copies);
  if (!row.teaches_nothing.empty()) {
    summary.teaching_nothing += copies;
    summary.noticed.add(row.teaches_nothing, where);
  }
  summary.pairs += copies * row.pairs;
  summary.straddling += straddles ? copies : 0;
  summary.truncated += truncated ? copies : 0;
}

}  // namespace attune::data
