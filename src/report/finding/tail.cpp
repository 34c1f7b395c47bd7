#include "report/finding/tail.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/system.h"
#include "report/finding/findings.h"
#include "statistics/intervals.h"

namespace attune::report {
namespace {

double count_in(const core::Json& data, const char* name) {
  const auto found = data.find(name);
  return found != data.end() && found->is_number() ? found->get<double>() : HeadlineRow::kNone;
}

/// Cases of the whole data, by run.json; NaN where it does not say.
double cases_in_data(const ReportInput& input, Case one) {
  if (!input.run.is_object()) return HeadlineRow::kNone;
  const auto data = input.run.find("data");
  if (data == input.run.end() || !data->is_array() || data->size() != 1 || !data->front().is_object())
    return HeadlineRow::kNone;
  const char* names[] = {"rows_kept", "pairs", "candidates"};
  return count_in(data->front(), names[static_cast<int>(one)]);
}

/// Epochs that went by in the last `steps` logged steps of a series.
double epochs_in_tail(const ReportInput& input, const Series& series, std::size_t steps) {
  const Series* epoch = input.metrics.find("epoch");
  if (epoch == nullptr) return HeadlineRow::kNone;
  const auto epoch_at = [&](double step) {
    const auto after = std::ranges::upper_bound(epoch->steps, step);
    return after == epoch->steps.begin()
               ? 0
               : epoch->values[static_cast<std::size_t>(after - epoch->steps.begin()) - 1];
  };
  const std::size_t count = series.steps.size();
  return epoch_at(series.steps.back()) - (steps < count ? epoch_at(series.steps[count - steps - 1]) : 0);
}

statistics::WinRate wilson(const TailShare& share) {
  const std::int64_t cases = share.cases > 0 ? share.cases : share.steps;
  const auto hits = std::llround(share.value * static_cast<double>(cases));
  return statistics::win_rate(hits, 0, cases - hits);
}

}  // namespace

std::string TailShare::text(std::string_view cases_name) const {
  const std::string percent = readable(std::round(100 * value)) + " %";
  if (cases == 0)
    return fmt::format("{} of the {} of the last {}", percent, cases_name,
                       steps == 1 ? "logged step" : core::counted(steps, "logged step"));
  return fmt::format("{} of the last {} {}{}", hits, cases, cases_name,
                     cases < 20 ? "" : " (" + percent + ")");
}

double TailShare::low() const { return wilson(*this).low; }
double TailShare::high() const { return wilson(*this).high; }

TailShare tail_share(const ReportInput& input, const Series& series, Case one) {
  TailShare share;
  const auto late = late_values(series);
  share.value = std::clamp(late_mean(series), 0.0, 1.0);
  share.steps = static_cast<std::int64_t>(late.size());
  const double all = cases_in_data(input, one), epochs = epochs_in_tail(input, series, late.size());
  const double cases = std::round(all * std::min(epochs, 1.0));  // the same again is no new case
  if (!(cases >= 1) || cases > 1e15 || std::isnan(share.value)) return share;
  share.cases = static_cast<std::int64_t>(cases);
  share.hits = std::llround(share.value * cases);
  return share;
}

}  // namespace attune::report
