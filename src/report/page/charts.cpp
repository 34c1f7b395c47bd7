#include "report/page/charts.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <tuple>
#include <unordered_map>

#include "report/page/html.h"
#include "report/run/layer_norms.h"

namespace attune::report {
namespace {

constexpr std::string_view kEval = "eval_";
constexpr int kColors = 5;
constexpr std::size_t kMaxPrompts = 24, kMaxTakes = 12, kMaxTextBytes = 12'000;

struct Line {
  const Series* series;
  std::string_view metric;  // without "eval_"
  bool held_out;
};

struct Chart {
  std::size_t group = 0, order = 0;  // places in metric_groups() and among the known metrics
  std::string title;
  bool panel = false;  // several metrics in one chart
  std::vector<Line> lines;
};

std::size_t group_index(std::string_view name) {
  const auto groups = metric_groups();
  const auto found = std::ranges::find(groups, name, &MetricGroup::name);
  return static_cast<std::size_t>(found - groups.begin());
}

/// The chart that a metric belongs to, without its lines.
Chart chart_of(std::string_view metric, const KnownMetrics& names) {
  const MetricName* known = names.find(metric);
  const std::size_t order = names.place_of(metric);
  if (known == nullptr) return {group_index("other"), order, std::string(metric), false, {}};
  const std::string_view title = !known->panel.empty()  ? known->panel
                                 : known->title.empty() ? metric
                                                        : known->title;
  return {group_index(known->group), order, std::string(title), !known->panel.empty(), {}};
}

std::vector<Chart> arrange(const SeriesTable& metrics, const KnownMetrics& names) {
  std::vector<Chart> charts;
  std::unordered_map<std::string, std::size_t> by_key;
  for (const Series& series : metrics.all()) {
    if (series.steps.empty() || series.name == "epoch" || series.name == "eval_epoch") continue;
    if (series.name.starts_with(kLayerNorm)) continue;  // a picture of their own
    std::string_view metric = series.name;
    const bool held_out = metric.starts_with(kEval);
    if (held_out) metric.remove_prefix(kEval.size());
    Chart chart = chart_of(metric, names);
    const std::string key = chart.panel ? "panel " + chart.title : std::string(metric);
    const auto [place, fresh] = by_key.try_emplace(key, charts.size());
    if (fresh) charts.push_back(std::move(chart));
    Chart& home = charts[place->second];
    home.order = std::min(home.order, chart.order);
    home.lines.push_back({&series, metric, held_out});
  }
  // Ties keep their order of appearance: addresses are in one vector each (std::stable_sort of this library
  // uses what clang calls deprecated).
  std::ranges::sort(charts, {}, [](const Chart& chart) {
    return std::tuple(chart.group, chart.order, chart.lines.front().series);
  });
  const auto rank = [&](const Line& line) {
    return std::tuple(names.place_of(line.metric), line.held_out, line.series);
  };
  for (Chart& chart : charts) std::ranges::sort(chart.lines, {}, rank);
  return charts;
}

core::Json numbers(const std::vector<double>& values) {
  core::Json list = core::Json::array();
  // Six digits draw as well as seventeen and halve the page; differences of numbers beyond 1e100 may
  // overflow.
  for (const double value : values) {
    if (std::abs(value) < 1e100) {  // false for NaN
      list.push_back(std::strtod(fmt::format("{:.6g}", value).c_str(), nullptr));
    } else {
      list.push_back(nullptr);
    }
  }
  return list;
}

core::Json steps_of(const std::vector<double>& steps) {
  core::Json list = core::Json::array();
  for (const double step : steps) list.push_back(step);
  return list;
}

std::string label_of(const Chart& chart, const Line& line, const KnownMetrics& names) {
  if (!chart.panel) return line.held_out ? "held out" : "training";
  const MetricName* known = names.find(line.metric);
  return std::string(known == nullptr ? line.metric : known->title) + (line.held_out ? ", held out" : "");
}

/// Quantities that are no less readable on a logarithmic axis.
constexpr std::string_view kScales[] = {"loss", "nll_loss", "policy_loss", "value_loss", "grad_norm"};
constexpr double kDecades = 100;  // from here on a linear axis shows the large values only

bool spans_decades(const Chart& chart) {
  double low = std::numeric_limits<double>::infinity(), high = 0;
  for (const Line& line : chart.lines) {
    if (std::ranges::find(kScales, line.metric) == std::end(kScales)) return false;
    for (const double value : line.series->values) {
      if (!std::isfinite(value)) continue;
      low = std::min(low, value);
      high = std::max(high, value);
    }
  }
  return low > 0 && high / kDecades >= low;
}

core::Json data_of(const Chart& chart, const KnownMetrics& names) {
  core::Json lines = core::Json::array();
  std::vector<std::string_view> metrics;
  for (const Line& line : chart.lines) {
    if (std::ranges::find(metrics, line.metric) == metrics.end()) metrics.push_back(line.metric);
    // In a chart of one metric the evaluation gets its own colour; in a panel the colour tells the metric.
    const auto place = static_cast<int>(metrics.size()) - 1;
    const int color = chart.panel ? place % kColors : line.held_out ? 1 : 0;
    const Series drawn = downsample(*line.series);
    lines.push_back({{"label", label_of(chart, line, names)},
                     {"color", color},
                     {"heldOut", line.held_out},
                     {"x", steps_of(drawn.steps)},
                     {"y", numbers(drawn.values)}});
  }
  const MetricName* known = names.find(chart.lines.front().metric);
  const std::string unit = known == nullptr || known->unit.empty() ? chart.title : std::string(known->unit);
  return {{"lines", std::move(lines)}, {"unit", unit}, {"log", spans_decades(chart)}};
}

std::string direction(Better better) {
  if (better == Better::kHigher) return " <span class=\"direction\">Higher is better.</span>";
  if (better == Better::kLower) return " <span class=\"direction\">Lower is better.</span>";
  return "";
}

/// Numbers that do not depend on the model unless it writes what is judged.
bool stands_in_the_data(std::string_view metric) {
  return metric == "reward" || metric == "reward_std" || metric == "frac_reward_zero_std" ||
         (metric.starts_with("rewards/") && (metric.ends_with("/mean") || metric.ends_with("/std")));
}

constexpr const char* kGivenRewards =
    " Here completions and rewards stood in the data: the curve shows which rows came when, and no progress.";

/// What the metrics of a chart mean, each once.
std::string caption(const Chart& chart, const KnownMetrics& names, bool fresh) {
  std::string text;
  std::string_view last;
  for (const Line& line : chart.lines) {
    if (line.metric == last) continue;
    last = line.metric;
    const MetricName* known = names.find(line.metric);
    const std::string_view meaning =
        known == nullptr ? "A number that this run logs under its own name." : known->meaning;
    const bool given = !fresh && stands_in_the_data(line.metric);
    text += fmt::format("<p><code>{}</code> {}{}</p>", escape(line.metric), escape(meaning),
                        given              ? kGivenRewards
                        : known == nullptr ? ""
                                           : direction(known->better));
  }
  return text;
}

std::string figure(const Chart& chart, std::size_t index, const KnownMetrics& names, bool fresh) {
  const MetricName* known = names.find(chart.lines.front().metric);
  const std::string unit = known == nullptr || known->unit.empty() ? "" : ", " + std::string(known->unit);
  return fmt::format(
      "<figure data-chart=\"{}\"><h3>{}{}</h3><div class=\"readout\"></div><div class=\"plot\"></div>"
      "<figcaption>{}</figcaption></figure>\n",
      index, escape(chart.title), escape(unit), caption(chart, names, fresh));
}

constexpr std::string_view kCurvesHead = R"(<section id="curves"><h2>The course of the run</h2>
<p class="lead">Move over a chart to read all of them at that step. Faint lines are the numbers as logged, strong lines are smoothed; dots are evaluations on held-out data.</p>
<div class="controls smoothing"><label for="smoothing">Smoothing</label><input id="smoothing" type="range" min="0" max="0.99" step="0.01" value="{0}"><output id="smoothing-value" for="smoothing">{0}</output></div>
<noscript><p>The curves need JavaScript; their numbers are in metrics.jsonl.</p></noscript>
)";

/// Texts of one prompt: at most kMaxTakes of them, spread evenly, the first and the last kept.
core::Json takes_of(std::vector<const ReportSample*> samples) {
  std::ranges::sort(samples, {}, [](const ReportSample* sample) { return std::pair(sample->step, sample); });
  core::Json takes = core::Json::array();
  const std::size_t shown = std::min(samples.size(), kMaxTakes);
  for (std::size_t i = 0; i < shown; ++i) {
    const std::size_t at = shown == 1 ? 0 : i * (samples.size() - 1) / (shown - 1);
    const ReportSample& sample = *samples[at];
    core::Json reward = std::isfinite(sample.reward) ? core::Json(sample.reward) : core::Json(nullptr);
    takes.push_back(
        {{"step", sample.step}, {"text", cut(sample.completion, kMaxTextBytes)}, {"reward", reward}});
  }
  return takes;
}

}  // namespace

Curves render_curves(const SeriesTable& metrics, const std::vector<MetricMeaning>& own, bool fresh) {
  const KnownMetrics names(own);
  const auto charts = arrange(metrics, names);
  Curves curves;
  if (charts.empty()) return {"", "[]"};
  // Short runs are shown as they are; smoothing pays from some dozens of points on.
  curves.html = fmt::format(fmt::runtime(kCurvesHead), metrics.rows() >= 60 ? "0.60" : "0.00");
  core::Json data = core::Json::array();
  for (std::size_t group = 0; group < metric_groups().size(); ++group) {
    std::string figures;
    for (const Chart& chart : charts) {
      if (chart.group != group) continue;
      figures += figure(chart, data.size(), names, fresh);
      data.push_back(data_of(chart, names));
    }
    if (figures.empty()) continue;
    const MetricGroup& chapter = metric_groups()[group];
    const auto* shape =
        chapter.essential
            ? "<div class=\"chapter\"><h3>{}</h3><div class=\"charts\">\n{}</div></div>\n"
            : "<details class=\"chapter\"><summary>{}</summary><div class=\"charts\">\n{}</div></details>\n";
    curves.html += fmt::format(fmt::runtime(shape), chapter.title, figures);
  }
  curves.html += "</section>";
  curves.data = script_json(data);
  return curves;
}

std::string sample_data(const std::vector<ReportSample>& samples) {
  std::vector<std::vector<const ReportSample*>> prompts;
  std::unordered_map<std::string, std::size_t> places;
  for (const auto& sample : samples) {
    const auto [place, fresh] = places.try_emplace(sample.id, prompts.size());
    if (fresh) prompts.emplace_back();
    prompts[place->second].push_back(&sample);
  }
  // Prompts that were sampled more than once show a change: they come first.
  std::ranges::sort(prompts, {},
                    [](const auto& takes) { return std::pair(takes.size() <= 1, takes.front()); });
  if (prompts.size() > kMaxPrompts) prompts.resize(kMaxPrompts);
  core::Json list = core::Json::array();
  for (const auto& takes : prompts) {
    list.push_back({{"prompt", cut(takes.front()->prompt, kMaxTextBytes)}, {"takes", takes_of(takes)}});
  }
  return script_json(list);
}

}  // namespace attune::report
