#include "report/run/series.h"

#include <algorithm>
#include <cmath>

namespace attune::report {
namespace {

constexpr std::size_t kMaxColumns = 400;  // what a page can show; a log from outside may hold anything

std::vector<double> known_values(const Series& series) {
  std::vector<double> kept;
  std::ranges::copy_if(series.values, std::back_inserter(kept),
                       [](double value) { return std::isfinite(value); });
  return kept;
}

std::size_t tenth(const std::vector<double>& values) {
  return std::min(values.size(), values.size() / 10 + 1);
}

double mean_of(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return sum / static_cast<double>(values.size());  // NaN for none
}

void append(Series& to, const Series& from, std::size_t at) {
  to.steps.push_back(from.steps[at]);
  to.values.push_back(from.values[at]);
}

/// The least and the greatest of [begin, end) in the order of their steps.
void append_extremes(Series& to, const Series& from, std::size_t begin, std::size_t end) {
  std::size_t least = end, greatest = end;
  for (std::size_t i = begin; i < end; ++i) {
    if (std::isnan(from.values[i])) continue;
    if (least == end || from.values[i] < from.values[least]) least = i;
    if (greatest == end || from.values[i] > from.values[greatest]) greatest = i;
  }
  if (least == end) {
    append(to, from, begin);
    return;
  }
  append(to, from, std::min(least, greatest));
  if (least != greatest) append(to, from, std::max(least, greatest));
}

}  // namespace

Series* SeriesTable::column(const std::string& name) {
  const auto found = index_.find(name);
  if (found != index_.end()) return &columns_[found->second];
  if (columns_.size() >= kMaxColumns) return nullptr;
  index_.emplace(name, columns_.size());
  columns_.push_back({name, {}, {}});
  return &columns_.back();
}

void SeriesTable::add_row(const core::Json& row) {
  if (!row.is_object()) return;
  const auto step = row.find("step");
  if (step == row.end() || !step->is_number()) return;
  const double at = step->get<double>();
  if (!std::isfinite(at)) return;
  ++rows_;
  for (const auto& [name, value] : row.items()) {
    if (name == "step" || !(value.is_number() || value.is_null())) continue;
    Series* series = column(name);
    if (series == nullptr) continue;
    while (!series->steps.empty() && series->steps.back() >= at) {
      series->steps.pop_back();
      series->values.pop_back();
    }
    series->steps.push_back(at);
    series->values.push_back(value.is_null() ? std::nan("") : value.get<double>());
  }
}

const Series* SeriesTable::find(std::string_view name) const {
  const auto found = index_.find(std::string(name));
  return found == index_.end() ? nullptr : &columns_[found->second];
}

Series downsample(const Series& series, std::size_t max_points) {
  const std::size_t count = series.values.size();
  if (count <= max_points) return series;
  const std::size_t stretches = std::max<std::size_t>(1, max_points / 2);
  Series drawn{series.name, {}, {}};
  append(drawn, series, 0);  // the very first and last points anchor the line
  for (std::size_t i = 0; i < stretches; ++i) {
    const std::size_t begin = std::max<std::size_t>(1, i * count / stretches);
    append_extremes(drawn, series, begin, std::min(count - 1, (i + 1) * count / stretches));
  }
  append(drawn, series, count - 1);
  return drawn;
}

std::vector<double> early_values(const Series& series) {
  auto values = known_values(series);
  values.resize(tenth(values));
  return values;
}

std::vector<double> late_values(const Series& series) {
  auto values = known_values(series);
  values.erase(values.begin(), values.end() - static_cast<std::ptrdiff_t>(tenth(values)));
  return values;
}

double early_mean(const Series& series) { return mean_of(early_values(series)); }
double late_mean(const Series& series) { return mean_of(late_values(series)); }

}  // namespace attune::report
