#include "cli/check/micro_batches.h"

#include <algorithm>
#include <numeric>

#include "core/random.h"

namespace attune::cli {
namespace {

constexpr std::int64_t kMostUpdates = 2000;  // more say little new, and take time

std::vector<std::uint32_t> order_of_epoch(const training::TrainRecipe& recipe, std::int64_t epoch,
                                          std::size_t rows) {
  if (recipe.training.shuffle)
    return core::permutation(static_cast<std::uint64_t>(recipe.seed), static_cast<std::uint64_t>(epoch),
                             static_cast<std::uint32_t>(rows));
  std::vector<std::uint32_t> order(rows);
  std::iota(order.begin(), order.end(), 0U);
  return order;
}

/// Cuts the rows of one update, as data::pack() does.
class Cutter {
 public:
  Cutter(std::int64_t budget, std::vector<MicroBatch>& out) : budget_(budget), out_(out) {}

  void add(const Load& row) {
    if (open_.load.computed > 0 && open_.load.computed + row.computed > budget_) close();
    // a group over the budget is split
    const double share = std::min(
        1.0, static_cast<double>(budget_) / static_cast<double>(std::max<std::int64_t>(1, row.computed)));
    open_.load.computed += std::min(row.computed, budget_);
    open_.load.read += static_cast<std::int64_t>(share * static_cast<double>(row.read));
  }
  void close() {
    if (open_.load.computed > 0) out_.push_back(open_);
    open_ = {{}, open_.load.computed == 0 && open_.first};
  }

 private:
  std::int64_t budget_;
  std::vector<MicroBatch>& out_;
  MicroBatch open_;
};

}  // namespace

std::vector<MicroBatch> micro_batches(std::span<const Load> rows, const training::TrainRecipe& recipe,
                                      std::int64_t updates) {
  const auto& options = recipe.training;
  const std::int64_t budget = options.micro_batch_tokens > 0 ? options.micro_batch_tokens : 2048;
  const std::int64_t records = std::max<std::int64_t>(1, options.batch_size * options.gradient_accumulation);
  std::vector<MicroBatch> out;
  if (rows.empty()) return out;
  std::int64_t left = std::min(updates, kMostUpdates);
  for (std::int64_t epoch = 0; left > 0; ++epoch) {
    const auto order = order_of_epoch(recipe, epoch, rows.size());
    for (std::size_t at = 0; at < order.size() && left > 0; --left) {
      Cutter cutter(budget, out);
      std::int64_t tokens = 0;
      for (std::int64_t taken = 0; taken < records && at < order.size(); ++taken, ++at) {
        const Load& row = rows[order[at]];
        tokens += row.computed;
        if (taken > 0 && options.tokens_per_batch > 0 && tokens > options.tokens_per_batch) break;
        cutter.add(row);
      }
      cutter.close();
    }
  }
  return out;
}

}  // namespace attune::cli
