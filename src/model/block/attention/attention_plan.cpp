#include "model/block/attention/attention_plan.h"

#include <algorithm>

namespace attune::model {
namespace {

using core::Forest;
using core::Segment;
using Mask = AttentionPiece::Mask;

/// Rows of a tile: small enough that little above the diagonal is computed, large enough for a kernel call to
/// pay.
std::int32_t tile_rows(std::int32_t length) {
  if (length < 64) return length;
  if (length <= 128) return 32;
  return length <= 512 ? 64 : 128;
}

class Planner {
 public:
  Planner(const Forest& forest, std::int64_t window) : forest_(forest), window_(window) {
    plan_.tokens = forest.size();
    plan_.positions = forest.positions;
    deepest_.resize(forest.segments.size());
    for (std::size_t i = forest.segments.size(); i-- > 0;) {  // children come after their parents
      deepest_[i] = std::max(deepest_[i], last_position(forest.segments[i]));
      const auto parent = forest.segments[i].parent;
      if (parent >= 0) deepest_[std::size_t(parent)] = std::max(deepest_[std::size_t(parent)], deepest_[i]);
    }
  }

  AttentionPlan plan() {
    for (const Segment& segment : forest_.segments) on_itself(segment);
    for (std::size_t i = 0; i < forest_.segments.size(); ++i) {
      const Segment& segment = forest_.segments[i];
      if (segment.subtree_end > segment.end && in_window(deepest_[i] - segment.first_position))
        add({segment.end, segment.subtree_end, segment.begin, segment.end});
    }
    if (window_ > 0)
      for (const Segment& segment : forest_.segments) on_ancestors(segment);
    return std::move(plan_);
  }

 private:
  static std::int32_t last_position(const Segment& s) { return s.first_position + (s.end - s.begin) - 1; }
  bool in_window(std::int64_t distance) const { return window_ == 0 || distance < window_; }
  void add(AttentionPiece piece) { plan_.pieces.push_back(piece); }

  /// A segment on itself, in row tiles; each tile ends at the diagonal and begins at the window's edge.
  void on_itself(const Segment& s) {
    const std::int32_t rows = tile_rows(s.end - s.begin);
    for (std::int32_t q = s.begin; q < s.end; q += rows) {
      const std::int32_t q_end = std::min(q + rows, s.end);
      std::int32_t k = s.begin;
      if (window_ > 0) k = static_cast<std::int32_t>(std::max<std::int64_t>(k, q - window_ + 1));
      const bool square = k == q && in_window(q_end - 1 - k);
      add({q, q_end, k, q_end, square ? Mask::kCausal : Mask::kBand, q - k, window_, true});
    }
  }

  /// The windowed pieces of a segment with those ancestors whose subtrees were not taken as a whole.
  void on_ancestors(const Segment& s) {
    for (std::int32_t a = s.parent; a >= 0; a = forest_.segments[std::size_t(a)].parent) {
      const Segment& ancestor = forest_.segments[std::size_t(a)];
      if (!in_window(s.first_position - last_position(ancestor))) return;  // further ones are further away
      if (in_window(deepest_[std::size_t(a)] - ancestor.first_position)) continue;  // done as one full piece
      if (in_window(last_position(s) - ancestor.first_position))
        add({s.begin, s.end, ancestor.begin, ancestor.end});
      else
        in_tiles(s, ancestor);
    }
  }

  void in_tiles(const Segment& s, const Segment& ancestor) {
    const std::int32_t rows = tile_rows(s.end - s.begin);
    for (std::int32_t q = s.begin; q < s.end; q += rows) {
      const std::int32_t q_end = std::min(q + rows, s.end), position = s.first_position + q - s.begin;
      const std::int64_t oldest = std::max<std::int64_t>(ancestor.first_position, position - window_ + 1);
      const std::int64_t k = ancestor.begin + oldest - ancestor.first_position;
      if (k >= ancestor.end) return;  // later tiles are further away still
      const auto offset = static_cast<std::int32_t>(position - oldest);
      const bool full = in_window(offset + (q_end - 1 - q));
      add({q, q_end, static_cast<std::int32_t>(k), ancestor.end, full ? Mask::kFull : Mask::kBand, offset,
           window_});
    }
  }

  const Forest& forest_;
  std::int64_t window_;
  std::vector<std::int32_t> deepest_;  ///< last position in each segment's subtree
  AttentionPlan plan_;
};

}  // namespace

bool AttentionPiece::visible(std::int64_t query, std::int64_t key) const {
  if (mask == Mask::kFull) return true;
  const std::int64_t distance = offset + query - key;
  return distance >= 0 && (window == 0 || distance < window);
}

std::int64_t AttentionPlan::products() const {
  std::int64_t total = 0;
  for (const auto& piece : pieces) total += piece.queries() * piece.keys();
  return total;
}

AttentionPlan plan_attention(const core::Forest& forest, std::int64_t window) {
  return Planner(forest, window).plan();
}

}  // namespace attune::model
