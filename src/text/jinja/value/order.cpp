// Python's `<` and sorted().
#include <algorithm>
#include <numeric>

#include <fmt/format.h>

#include "text/jinja/value/runtime.h"

namespace attune::text::jinja {
namespace {

using Order = std::vector<std::size_t>;

/// Merge sort of indices: comparisons may throw and need not be consistent (NaN).
void merge_sort(Runtime& runtime, const std::vector<Value>& keys, Order& order, Order& spare,
                std::size_t first, std::size_t last) {
  if (last - first < 2) return;
  const std::size_t middle = first + (last - first) / 2;
  merge_sort(runtime, keys, order, spare, first, middle);
  merge_sort(runtime, keys, order, spare, middle, last);
  std::size_t left = first, right = middle;
  for (std::size_t at = first; at < last; ++at) {
    const bool take_right =
        left == middle || (right < last && runtime.less(keys[order[right]], keys[order[left]]));
    spare[at] = take_right ? order[right++] : order[left++];
  }
  std::copy(spare.begin() + static_cast<std::ptrdiff_t>(first),
            spare.begin() + static_cast<std::ptrdiff_t>(last),
            order.begin() + static_cast<std::ptrdiff_t>(first));
}

}  // namespace

bool Runtime::less(const Value& left, const Value& right, const char* operation) {
  budget.step();
  if (left.is_undefined()) left.fail_undefined();
  if (right.is_undefined()) right.fail_undefined();
  if (left.is_integral() && right.is_integral()) return left.as_int() < right.as_int();
  if (left.is_number() && right.is_number()) {
    const auto wide = [](const Value& value) {
      return value.is(Kind::kFloat) ? static_cast<long double>(value.as_float())
                                    : static_cast<long double>(value.as_int());
    };
    return wide(left) < wide(right);
  }
  if (left.is_string() && right.is_string()) {
    budget.work(std::min(left.text().size(), right.text().size()));
    return left.text() < right.text();  // the byte order of UTF-8 is that of code points
  }
  if (!left.is_sequence() || left.kind() != right.kind())
    fail_type(fmt::format("'{}' not supported between instances of '{}' and '{}'", operation, type_name(left),
                          type_name(right)));
  const auto& a = left.items();
  const auto& b = right.items();
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i)
    if (!equal(budget, a[i], b[i])) return less(a[i], b[i], operation);
  return a.size() < b.size();
}

bool Runtime::less_equal(const Value& left, const Value& right, const char* operation) {
  if (left.is_number() && right.is_number()) {  // NaN is neither less nor equal
    return less(left, right) || equal(budget, left, right);
  }
  if (left.is_sequence() && left.kind() == right.kind()) {
    const auto& a = left.items();
    const auto& b = right.items();
    for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i)
      if (!equal(budget, a[i], b[i])) return less_equal(a[i], b[i], operation);
    return a.size() <= b.size();
  }
  return !less(right, left, operation);
}

void sort_by(Runtime& runtime, std::vector<Value>& items, const std::vector<Value>& keys, bool reverse) {
  Order order(items.size()), spare(items.size());
  std::iota(order.begin(), order.end(), 0);
  if (reverse) std::reverse(order.begin(), order.end());  // keeps equal items in their order at the end
  merge_sort(runtime, keys, order, spare, 0, order.size());
  if (reverse) std::reverse(order.begin(), order.end());
  std::vector<Value> sorted;
  sorted.reserve(items.size());
  for (const std::size_t index : order) sorted.push_back(items[index]);
  items = std::move(sorted);
}

}  // namespace attune::text::jinja
