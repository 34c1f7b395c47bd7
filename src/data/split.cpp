#include "data/split.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "core/error.h"
#include "core/files/files.h"
#include "core/system.h"
#include "data/group_row.h"

namespace attune::data {
namespace {

std::uint64_t mixed(std::uint64_t value, std::uint64_t with) {
  return core::fingerprint({reinterpret_cast<const char*>(&value), sizeof value}, with);
}

std::int64_t rows_wanted(double size, std::int64_t rows) {
  const double wanted = size < 1 ? std::round(size * static_cast<double>(rows)) : std::floor(size);
  return std::max<std::int64_t>(1, static_cast<std::int64_t>(wanted));
}

void count(const TokenizedRow& row, const RowUse& use, DatasetSummary& summary) {
  bool truncated = false;
  std::vector<std::span<const std::uint8_t>> masks;
  for (const auto& candidate : row.candidates) {
    truncated = truncated || candidate.said.truncated;
    masks.push_back(candidate.mask);
  }
  summary.count_sequences(std::ssize(row.prompt), masks);
  summary.truncated += truncated ? 1 : 0;
  if (use.learns(record::GroupShape::kPairs))
    summary.pairs += std::ssize(group_row(row, use, {0, static_cast<std::uint64_t>(row.index), 0}).pairs);
}

/// The rows of one side, with the counts that can be told of them alone.
Dataset side(const Dataset& data, const std::vector<bool>& held_out, bool wanted, std::uint64_t key) {
  DatasetSummary summary;
  std::vector<std::uint32_t> rows;
  for (std::int64_t i = 0; i < data.size(); ++i) {
    if (held_out[static_cast<std::size_t>(i)] != wanted) continue;
    rows.push_back(static_cast<std::uint32_t>(i));
    count(data.row(i), data.use(), summary);
  }
  const DatasetSummary& whole = data.summary();
  summary.format = whole.format;
  summary.pairing = whole.pairing;
  summary.rows_read = wanted ? summary.rows_kept : whole.rows_read;
  if (!wanted) {  // what concerns the file is told once, of what is trained on
    summary.straddling = std::min(whole.straddling, summary.rows_kept);
    summary.teaching_nothing = std::min(whole.teaching_nothing, summary.rows_kept);
    summary.spread = whole.spread;
    summary.feedback = whole.feedback;
    summary.dropped = whole.dropped;
    summary.dropped_examples = whole.dropped_examples;
    summary.noticed = whole.noticed;
  }
  summary.fingerprint = mixed(whole.fingerprint, key + (wanted ? 1 : 0));
  return data.some_rows(std::move(rows), std::move(summary));
}

}  // namespace

std::uint64_t prompt_key(std::span<const std::int32_t> prompt, std::span<const std::int32_t> completion) {
  const auto ids = prompt.empty() ? completion : prompt;
  return core::fingerprint({reinterpret_cast<const char*>(ids.data()), ids.size_bytes()});
}

std::vector<bool> choose_held_out(std::span<const std::uint64_t> keys, double size, std::uint64_t seed) {
  std::map<std::uint64_t, std::vector<std::size_t>> groups;  // by where the seed puts their key
  for (std::size_t i = 0; i < keys.size(); ++i) groups[mixed(keys[i], seed)].push_back(i);
  const std::int64_t wanted = rows_wanted(size, std::ssize(keys));
  if (wanted >= std::ssize(keys))
    core::fail_request("val_size={:g}: of {} none would be left to train on", size,
                       core::counted(std::ssize(keys), "row"));
  std::vector<bool> held_out(keys.size(), false);
  std::int64_t taken = 0;
  for (const auto& [place, rows] : groups) {
    if (taken + std::ssize(rows) > wanted) continue;
    for (const std::size_t row : rows) held_out[row] = true;
    taken += std::ssize(rows);
  }
  if (taken == 0)
    core::fail_request(
        "val_size={:g}: too few prompts to hold {} out: of {} rows each prompt has more than that", size,
        core::counted(wanted, "row"), keys.size());
  return held_out;
}

Split split_off(const Dataset& data, double size, std::uint64_t seed) {
  std::vector<std::uint64_t> keys;
  for (std::int64_t i = 0; i < data.size(); ++i) {
    const TokenizedRow row = data.row(i);
    keys.push_back(prompt_key(row.prompt, row.candidates.empty() ? std::span<const std::int32_t>()
                                                                 : row.candidates.front().completion));
  }
  const auto held_out = choose_held_out(keys, size, seed);
  std::uint64_t key = mixed(seed, 0);
  for (const bool held : held_out) key = key * 31 + (held ? 1 : 0);
  return {side(data, held_out, false, key), side(data, held_out, true, key)};
}

}  // namespace attune::data
