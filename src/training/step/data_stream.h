// The order in which a dataset is read: a permutation of (seed, epoch), cut into batches. A cursor says where
// a run is, so a resumed run reads on exactly there.
#pragma once

#include <cstdint>
#include <vector>

#include "core/json.h"
#include "data/dataset.h"

namespace attune::training {

struct StreamOptions {
  std::int64_t batch_size = 8;        ///< records a batch
  std::int64_t tokens_per_batch = 0;  ///< ends a batch before it would exceed so many tokens; 0: off
  bool shuffle = true;
  std::uint64_t seed = 0;
  bool may_have_shrunk = false;  ///< a cursor beyond the end is at the end
};

class DataStream {
 public:
  DataStream(data::Dataset data, StreamOptions options);
  /// The next batch; the last one of an epoch may be smaller. Never empty.
  std::vector<data::TokenizedRow> next();
  /// Batches of one epoch. Counts by walking when tokens_per_batch is set (the count of the first epoch).
  std::int64_t batches_per_epoch() const;
  /// Epochs read so far, with fraction.
  double epoch() const;
  const data::Dataset& data() const { return data_; }
  std::uint64_t seed() const { return options_.seed; }
  core::Json cursor() const;
  void seek(const core::Json& cursor, const std::string& where);

 private:
  std::int64_t take(const std::vector<std::uint32_t>& order, std::int64_t from) const;
  std::vector<std::uint32_t> order_of(std::int64_t epoch) const;

  data::Dataset data_;
  StreamOptions options_;
  std::vector<std::uint32_t> order_;
  std::int64_t epoch_ = 0, position_ = 0;
};

}  // namespace attune::training
