// "train[:90%]", as the library datasets names a part of a split.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace attune::data {

/// From one row of a split to before another.
class SplitSlice {
 public:
  /// All of it.
  SplitSlice() = default;
  /// Takes the bracket off a split's name: "train[10%:]", "train[:500]", "train[-20:]". @throws Error{kRequest} where what
  /// stands in it is no slice; several that are added ("a+b") are entries of their own
  static SplitSlice taken_from(std::string& split);

  bool is_all() const { return !from_ && !to_; }
  /// Whether how many rows there are decides which these are.
  bool needs_total() const;
  /// Puts numbers in place of shares and of what is counted from the end; rounded as datasets does it.
  void settle(std::int64_t total);
  /// Whether it has the row, counted from 0, once it is settled.
  bool has(std::int64_t row) const;
  /// Whether two slices of the same rows can have one in common.
  bool may_meet(const SplitSlice& other) const;
  /// As it was written: "[:90%]", "" for all.
  const std::string& text() const { return text_; }

 private:
  struct Bound {
    double number = 0;
    bool is_share = false;  ///< in percent
  };
  static std::optional<Bound> bound_in(const std::string& text, const std::string& split);
  std::optional<Bound> from_, to_;
  std::string text_;
};

}  // namespace attune::data
