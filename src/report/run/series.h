// The curves of a run: metrics.jsonl as columns, small enough to draw.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/json.h"

namespace attune::report {

/// One metric over the steps at which it was logged. NaN where the log holds null (not a number when it was
/// written).
struct Series {
  std::string name;
  std::vector<double> steps;   ///< ascending
  std::vector<double> values;  ///< as many
};

/// Every metric of a run. Memory: 16 bytes a number.
class SeriesTable {
 public:
  /// Takes one object of metrics.jsonl: numbers and nulls of a row with a whole `step`; anything else is
  /// ignored, so that a damaged line costs itself only. A step that comes again (a resumed run) replaces what
  /// followed it.
  void add_row(const core::Json& row);

  std::int64_t rows() const { return rows_; }
  std::span<const Series> all() const { return columns_; }  ///< in order of first appearance
  const Series* find(std::string_view name) const;          ///< nullptr if it was never logged

 private:
  Series* column(const std::string& name);

  std::vector<Series> columns_;
  std::unordered_map<std::string, std::size_t> index_;
  std::int64_t rows_ = 0;
};

/// At most about `max_points` points that draw the same line: the least and the greatest value of each
/// stretch, so that spikes stay. A stretch of nothing but NaN stays one NaN (a gap).
Series downsample(const Series& series, std::size_t max_points = 1200);

/// The mean over the first or last tenth of the values (at least one, NaN left out); NaN if there is none.
double early_mean(const Series& series);
double late_mean(const Series& series);
/// The values those means are over.
std::vector<double> early_values(const Series& series);
std::vector<double> late_values(const Series& series);

}  // namespace attune::report
