// A dataset as training sees it: rows by index, tokenised once into a mapped cache. Nothing is held in memory
// but the map, so a 5 GB file trains within 500 MB.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "data/options.h"
#include "data/row_use.h"
#include "data/summary.h"
#include "data/tokenized_row.h"
#include "data/tokens/codec.h"

namespace attune::data {

/// Path → fingerprint of its content.
using KnownContent = std::map<std::string, std::uint64_t, std::less<>>;

class Dataset {
 public:
  /// Reads, tokenises (with progress) and caches; a cache of equal fingerprint is reused.
  /// @param use rows that cannot serve it are left out with a reason
  /// @param cache_folder where the cache file goes ("" = core::cache_folder()).
  /// @param known fingerprints of files (FileContent), which are then not read for that
  static Dataset open(const DataOptions& options, const TextCodec& codec, const RowUse& use,
                      const std::string& cache_folder = "", const KnownContent& known = {});
  /// These rows alone, in this order. @param summary what is told of them
  Dataset some_rows(std::vector<std::uint32_t> rows, DatasetSummary summary) const;
  std::int64_t size() const;
  TokenizedRow row(std::int64_t i) const;  ///< spans point into the map; valid while the Dataset lives
  const DatasetSummary& summary() const;
  const RowUse& use() const;  ///< what the rows were read for

 private:
  struct Map;
  std::shared_ptr<const Map> map_;
};

}  // namespace attune::data
