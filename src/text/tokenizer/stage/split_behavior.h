// What becomes of the delimiters when text is split.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

namespace attune::text {

enum class SplitBehavior { kRemoved, kIsolated, kMergedWithPrevious, kMergedWithNext, kContiguous };

/// Reads the names of tokenizer.json ("Removed", "MergedWithPrevious" …, or "merged_with_previous").
std::optional<SplitBehavior> split_behavior(std::string_view name);

/// Joins consecutive ranges, which cover a text, into pieces. Feed the ranges in order, then finish().
template <class Add>
class RangeJoiner {
 public:
  RangeJoiner(SplitBehavior behavior, Add add) : behavior_(behavior), add_(std::move(add)) {}

  void range(std::size_t begin, std::size_t end, bool is_delimiter) {
    switch (behavior_) {
      case SplitBehavior::kRemoved:
        if (!is_delimiter) add_(begin, end);
        break;
      case SplitBehavior::kIsolated:
        add_(begin, end);
        break;
      case SplitBehavior::kContiguous:
        hold(begin, end, has_held_ && is_delimiter == previous_);
        break;
      // A delimiter joins its neighbour only if that neighbour is not a delimiter itself.
      case SplitBehavior::kMergedWithPrevious:
        hold(begin, end, has_held_ && is_delimiter && !previous_);
        break;
      case SplitBehavior::kMergedWithNext:
        hold(begin, end, has_held_ && previous_ && !is_delimiter);
        break;
    }
    previous_ = is_delimiter;
  }

  void finish() {
    if (has_held_) add_(begin_, end_);
    has_held_ = false;
  }

 private:
  void hold(std::size_t begin, std::size_t end, bool joins) {
    if (!joins) {
      finish();
      begin_ = begin;
    }
    end_ = end;
    has_held_ = true;
  }

  SplitBehavior behavior_;
  Add add_;
  std::size_t begin_ = 0, end_ = 0;
  bool has_held_ = false, previous_ = false;
};

}  // namespace attune::text
