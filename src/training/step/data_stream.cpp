#include "training/step/data_stream.h"

#include <algorithm>
#include <numeric>

#include "core/error.h"
#include "core/random.h"

namespace attune::training {
namespace {

std::int64_t tokens_of(const data::TokenizedRow& row) {
  std::int64_t tokens = 0;
  for (const auto& candidate : row.candidates)
    tokens += static_cast<std::int64_t>(row.prompt.size() + candidate.completion.size());
  return tokens;
}

}  // namespace

DataStream::DataStream(data::Dataset data, StreamOptions options)
    : data_(std::move(data)), options_(options) {
  ATTUNE_ASSERT(data_.size() > 0);
  order_ = order_of(0);
}

std::vector<std::uint32_t> DataStream::order_of(std::int64_t epoch) const {
  const auto count = static_cast<std::uint32_t>(data_.size());
  if (options_.shuffle) return core::permutation(options_.seed, static_cast<std::uint64_t>(epoch), count);
  std::vector<std::uint32_t> order(count);
  std::iota(order.begin(), order.end(), 0u);
  return order;
}

std::int64_t DataStream::take(const std::vector<std::uint32_t>& order, std::int64_t from) const {
  const std::int64_t most = std::min(options_.batch_size, data_.size() - from);
  if (options_.tokens_per_batch == 0) return most;
  std::int64_t count = 0, tokens = 0;
  while (count < most) {
    tokens += tokens_of(data_.row(order[static_cast<std::size_t>(from + count)]));
    if (count > 0 && tokens > options_.tokens_per_batch) break;
    ++count;
  }
  return count;
}

std::vector<data::TokenizedRow> DataStream::next() {
  if (position_ >= data_.size()) {
    position_ = 0;
    order_ = order_of(++epoch_);
  }
  std::vector<data::TokenizedRow> rows;
  for (std::int64_t left = take(order_, position_); left > 0; --left)
    rows.push_back(data_.row(order_[static_cast<std::size_t>(position_++)]));
  return rows;
}

std::int64_t DataStream::batches_per_epoch() const {
  if (options_.tokens_per_batch == 0) return (data_.size() + options_.batch_size - 1) / options_.batch_size;
  const auto order = order_of(0);
  std::int64_t batches = 0;
  for (std::int64_t at = 0; at < data_.size(); at += take(order, at)) ++batches;
  return batches;
}

double DataStream::epoch() const {
  return static_cast<double>(epoch_) + static_cast<double>(position_) / static_cast<double>(data_.size());
}

core::Json DataStream::cursor() const { return {{"epoch", epoch_}, {"position", position_}}; }

void DataStream::seek(const core::Json& cursor, const std::string& where) {
  epoch_ = cursor.value("epoch", std::int64_t{-1});
  position_ = cursor.value("position", std::int64_t{-1});
  if (options_.may_have_shrunk) position_ = std::min(position_, data_.size());
  if (epoch_ < 0 || position_ < 0 || position_ > data_.size())
    core::fail_request("{}: the place in the data is damaged (epoch {}, position {})", where, epoch_,
                       position_);
  order_ = order_of(epoch_);
}

}  // namespace attune::training
