#include "data/packing.h"

#include <algorithm>

#include "core/error.h"
#include "data/tokens/trained.h"

namespace attune::data {
namespace {

using Range = std::pair<std::size_t, std::size_t>;  // items [first, second)

std::vector<core::TokenSequence> sequences_of(std::span<const PackItem> items) {
  std::vector<core::TokenSequence> sequences;
  sequences.reserve(items.size());
  for (const PackItem& item : items) {
    const auto length = static_cast<std::int64_t>(item.ids.size());
    ATTUNE_ASSERT(length > 0 && item.prompt_length >= 0 && item.prompt_length <= length);
    ATTUNE_ASSERT(static_cast<std::int64_t>(item.mask.size()) == length - item.prompt_length);
    ATTUNE_ASSERT(length > (item.last_is_target ? 1 : 0));
    ATTUNE_ASSERT(item.content.empty() || item.content.size() == item.ids.size());
    const std::size_t computed = item.ids.size() - (item.last_is_target ? 1 : 0);
    const auto first = [&](const auto& list) {
      return std::span(list).first(std::min(list.size(), computed));
    };
    sequences.push_back({first(item.ids), item.group, item.table, first(item.content)});
  }
  return sequences;
}

/// Cuts a group over the budget into runs that fit. A run's stream grows with every item, so the longest run
/// that fits is found by doubling and halving: a group of n items costs n log n, not n².
class GroupCutter {
 public:
  GroupCutter(std::span<const core::TokenSequence> sequences, std::int64_t budget, bool share)
      : sequences_(sequences), budget_(budget), share_(share) {}

  /// The longest run [begin, …) within [begin, end) that fits; at least one item.
  std::size_t cut(std::size_t begin, std::size_t end) const {
    std::size_t good = 1, bad = end - begin + 1;  // sizes: `good` is taken, `bad` does not fit
    for (std::size_t step = 2; step < bad; step *= 2) {
      if (!fits(begin, step)) {
        bad = step;
        break;
      }
      good = step;
    }
    while (bad - good > 1) {
      const std::size_t middle = good + (bad - good) / 2;
      (fits(begin, middle) ? good : bad) = middle;
    }
    return begin + good;
  }

 private:
  bool fits(std::size_t begin, std::size_t count) const {
    return core::forest_size(sequences_.subspan(begin, count), share_) <= budget_;
  }

  std::span<const core::TokenSequence> sequences_;
  std::int64_t budget_;
  bool share_;
};

struct Plan {
  std::vector<Range> batches;
  std::vector<bool> splits;

  void close(std::size_t& begin, std::size_t end, bool splits_group) {
    if (end == begin) return;
    batches.emplace_back(begin, end);
    splits.push_back(splits_group);
    begin = end;
  }
};

Plan plan_batches(std::span<const core::TokenSequence> sequences, std::int64_t budget, bool share) {
  Plan plan;
  std::size_t open = 0;        // first item of the open micro-batch
  std::int64_t filled = 0;     // its stream tokens
  bool holds_a_piece = false;  // of a split group
  const auto size_of = [&](std::size_t begin, std::size_t end) {
    return core::forest_size(sequences.subspan(begin, end - begin), share);
  };
  for (std::size_t at = 0; at < sequences.size();) {
    std::size_t end = at + 1;
    while (end < sequences.size() && sequences[end].group == sequences[at].group) ++end;
    std::int64_t size = size_of(at, end);
    if (filled + size > budget) {
      plan.close(open, at, holds_a_piece);
      filled = 0;
      holds_a_piece = false;
    }
    if (size > budget && end - at > 1) {
      const GroupCutter cutter(sequences, budget, share);
      for (std::size_t next = cutter.cut(at, end); next < end; next = cutter.cut(open, end))
        plan.close(open, next, true);
      size = size_of(open, end);
      holds_a_piece = true;
    }
    filled += size;
    at = end;
  }
  plan.close(open, sequences.size(), holds_a_piece);
  return plan;
}

/// Writes down where an item is read.
class PlaceMarker {
 public:
  PlaceMarker(const PackItem& item, std::vector<std::int32_t> stream)
      : item_(item), stream_(std::move(stream)) {}

  /// The token at index k of the sequence: it is read off the logits at index k - 1, which may lie in a
  /// shared segment.
  void mark(std::size_t k, Places& places) const {
    places.predicting.push_back(k == 0 ? -1 : stream_[k - 1]);
    places.standing.push_back(k < stream_.size() ? stream_[k] : -1);
    places.tokens.push_back(item_.ids[k]);
  }
  void mark_tokens(Places& places) const {
    const auto prompt = static_cast<std::size_t>(item_.prompt_length);
    for (std::size_t k = first_predicted(prompt); k < item_.mask.size(); ++k)
      if (item_.mask[k] != 0) mark(prompt + k, places);
    places.offsets.push_back(places.size());
  }
  void mark_last(Places& places) const {
    mark(item_.scored < 0 ? item_.ids.size() - 1 : static_cast<std::size_t>(item_.scored), places);
    places.offsets.push_back(places.size());
  }
  void mark_step_ends(Places& places) const {
    for (const std::int32_t end : item_.step_ends)
      mark(static_cast<std::size_t>(item_.prompt_length) + static_cast<std::size_t>(end), places);
    places.offsets.push_back(places.size());
  }

 private:
  const PackItem& item_;
  std::vector<std::int32_t> stream_;
};

PackedBatch build_batch(std::span<const PackItem> items, std::span<const core::TokenSequence> sequences,
                        Range range, bool share) {
  PackedBatch batch;
  const std::size_t count = range.second - range.first;
  batch.forest = core::build_forest(sequences.subspan(range.first, count), share);
  for (std::size_t i = 0; i < count; ++i) {
    const PlaceMarker marker(items[range.first + i], batch.forest.stream_indices(i));
    marker.mark_tokens(batch.tokens);
    marker.mark_last(batch.last);
    marker.mark_step_ends(batch.step_ends);
    batch.items.push_back(static_cast<std::int64_t>(range.first + i));
  }
  return batch;
}

}  // namespace

const Places& PackedBatch::places(record::Positions at) const {
  switch (at) {
    case record::Positions::kTokens:
      return tokens;
    case record::Positions::kLast:
      return last;
    case record::Positions::kStepEnds:
      return step_ends;
  }
  ATTUNE_ASSERT(false);
  return tokens;
}

std::vector<PackedBatch> pack(std::span<const PackItem> items, std::int64_t token_budget, bool share) {
  ATTUNE_ASSERT(token_budget > 0);
  const auto sequences = sequences_of(items);
  const Plan plan = plan_batches(sequences, token_budget, share);
  std::vector<PackedBatch> batches;
  batches.reserve(plan.batches.size());
  for (std::size_t i = 0; i < plan.batches.size(); ++i) {
    batches.push_back(build_batch(items, sequences, plan.batches[i], share));
    batches.back().splits_group = plan.splits[i];
  }
  return batches;
}

}  // namespace attune::data
