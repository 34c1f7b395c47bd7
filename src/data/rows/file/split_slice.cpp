#include "data/rows/file/split_slice.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <regex>

#include "core/ascii.h"
#include "core/error.h"

namespace attune::data {

SplitSlice SplitSlice::taken_from(std::string& split) {
  SplitSlice slice;
  const std::size_t bracket = split.find('[');
  const std::size_t sum = split.find('+');
  if (sum != std::string::npos && bracket != std::string::npos)
    core::fail_request(
        "split {}: parts that are added are entries of their own: data=[{{path: …, split: {}}}, …]", split,
        core::trimmed(std::string_view(split).substr(0, sum)));
  if (bracket == std::string::npos) return slice;
  const std::size_t colon = split.find(':', bracket);
  if (!split.ends_with(']') || colon == std::string::npos)
    core::fail_request("split {}: a slice is FROM:TO in rows or percent, as train[:500] or train[10%:90%]",
                       split);
  const std::string whole = split;
  slice.from_ = bound_in(split.substr(bracket + 1, colon - bracket - 1), whole);
  slice.to_ = bound_in(split.substr(colon + 1, split.size() - colon - 2), whole);
  // One percent sign is of both bounds, as datasets has it.
  if (split.find('%', bracket) != std::string::npos)
    for (auto* bound : {&slice.from_, &slice.to_})
      if (*bound) (*bound)->is_share = true;
  slice.text_ = split.substr(bracket);
  split.resize(bracket);
  return slice;
}

std::optional<SplitSlice::Bound> SplitSlice::bound_in(const std::string& text, const std::string& split) {
  static const std::regex form(R"(\s*(-?)([0-9_]{1,12})\s*(%?)\s*)");
  if (core::trimmed(text).empty()) return std::nullopt;
  std::smatch found;
  if (!std::regex_match(text, found, form))
    core::fail_request(
        "split {}: '{}' is no number of rows and no percent; write train[:500] or train[10%:90%]", split,
        text);
  std::string digits = found[2];
  std::erase(digits, '_');
  Bound bound{digits.empty() ? 0.0 : std::stod(digits), found[3].length() > 0};
  if (bound.is_share && bound.number > 100)
    core::fail_request("split {}: {} % is more than there is", split, bound.number);
  if (found[1].length() > 0) bound.number = bound.number == 0 ? 0 : -bound.number;
  return bound;
}

bool SplitSlice::needs_total() const {
  const auto needs = [](const std::optional<Bound>& bound) {
    return bound && (bound->is_share || bound->number < 0);
  };
  return needs(from_) || needs(to_);
}

void SplitSlice::settle(std::int64_t total) {
  const auto all = static_cast<double>(total);
  for (auto* bound : {&from_, &to_}) {
    if (!*bound) continue;
    double number = (*bound)->is_share ? std::nearbyint((*bound)->number * all / 100) : (*bound)->number;
    if (number < 0) number += all;
    *bound = Bound{std::clamp(number, 0.0, all), false};
  }
}

bool SplitSlice::has(std::int64_t row) const {
  const auto number = static_cast<double>(row);
  return (!from_ || number >= from_->number) && (!to_ || number < to_->number);
}

bool SplitSlice::may_meet(const SplitSlice& other) const {
  constexpr std::int64_t kMany = 1'000'000'000;  // shares against shares, rows against rows
  const auto in_shares = [](const SplitSlice& slice) {
    return (slice.from_ && slice.from_->is_share) || (slice.to_ && slice.to_->is_share);
  };
  if (!is_all() && !other.is_all() && in_shares(*this) != in_shares(other)) return true;
  SplitSlice one = *this, two = other;
  one.settle(kMany);
  two.settle(kMany);
  const auto begin = std::max(one.from_ ? one.from_->number : 0, two.from_ ? two.from_->number : 0);
  const auto end = std::min(one.to_ ? one.to_->number : kMany, two.to_ ? two.to_->number : kMany);
  return begin < end;
}

}  // namespace attune::data
