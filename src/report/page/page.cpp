// Puts the page together: every section as HTML, every text from outside escaped.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "report/finding/findings.h"
#include "report/page/charts.h"
#include "report/page/gradients.h"
#include "report/page/html.h"
#include "report/report.h"
#include "report/run/settings.h"

namespace attune::report {
namespace {

constexpr std::size_t kMaxRecipeBytes = 200'000;
constexpr std::size_t kMaxFacts = 200;

double last_of(const Series* series) {
  return series == nullptr || series->values.empty() ? HeadlineRow::kNone : series->values.back();
}

std::string last_part(std::string path) {
  while (path.ends_with('/')) path.pop_back();
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? path : path.substr(slash + 1);
}

/// "dpo on tinystories-656k", as far as the recipe tells; else the name of the folder.
std::string title_of(const ReportInput& input) {
  if (!input.extras.title.empty()) return input.extras.title;
  const Settings settings(input.recipe);
  const std::string method = settings.text("method", "name"), model = settings.text("model", "path");
  if (!method.empty() && !model.empty()) return method + " on " + last_part(model);
  return input.folder_name.empty() ? "A training run" : input.folder_name;
}

std::string facts(const ReportInput& input) {
  std::string items;
  const auto add = [&](std::string_view name, const std::string& value) {
    if (value != "–") items += fmt::format("<div><dt>{}</dt><dd>{}</dd></div>\n", name, escape(value));
  };
  const Summary summary = summarise(input.metrics);
  add("Steps", readable(summary.last_step));
  add("Epochs", readable(last_of(input.metrics.find("epoch"))));
  add("Training time", readable_seconds(summary.seconds));
  add("Tokens", readable(last_of(input.metrics.find("num_tokens"))));
  add("Tokens per second", readable(summary.tokens_per_second));
  const double memory = last_of(input.metrics.find("peak_rss_mb"));
  if (!std::isnan(memory)) add("Peak memory", readable(memory) + " MB");
  return items.empty() ? "" : "<dl class=\"facts\">\n" + items + "</dl>";
}

std::string warnings_section(const ReportInput& input) {
  auto texts = warnings_of(input);
  texts.insert(texts.end(), input.extras.notes.begin(), input.extras.notes.end());
  if (texts.empty()) return "";
  std::string items;
  for (const auto& text : texts) items += "<li>" + escape(text) + "</li>\n";
  return "<section class=\"warnings\"><h2>Worth a look</h2><ul>\n" + items + "</ul></section>";
}

/// The change and its interval on a line whose middle is zero. What is judged better has a full dot, worse a
/// square, neither a ring: colours alone tell not everybody.
std::string whisker(double change, double low, double high, const std::string& verdict) {
  const double reach = std::max({std::abs(change), std::abs(low), std::abs(high)});
  if (!(reach > 0) || !std::isfinite(reach)) return "";
  const auto at = [&](double value) { return 60 + 54 * (value / reach); };
  return fmt::format(
      "<svg width=\"120\" height=\"12\" aria-hidden=\"true\">"
      "<line class=\"whisker-axis\" x1=\"0\" x2=\"120\" y1=\"6\" y2=\"6\"/>"
      "<line class=\"whisker-zero\" x1=\"60\" x2=\"60\" y1=\"0\" y2=\"12\"/>"
      "<line class=\"whisker\" x1=\"{:.1f}\" x2=\"{:.1f}\" y1=\"6\" y2=\"6\"/>{}</svg>",
      at(low), at(high),
      verdict == "worse"
          ? fmt::format("<rect class=\"whisker-dot\" x=\"{:.1f}\" y=\"2\" width=\"8\" height=\"8\"/>",
                        at(change) - 4)
          : fmt::format("<circle class=\"{}\" cx=\"{:.1f}\" cy=\"6\" r=\"4\"/>",
                        verdict == "better" ? "whisker-dot" : "whisker-ring", at(change)));
}

std::string interval_text(const HeadlineRow& row) {
  if (std::isnan(row.low) || std::isnan(row.high)) return "";
  const std::string over =
      row.count > 0 ? fmt::format(" ·\u00a0{}\u00a0{}", row.count, escape(row.counted)) : "";
  const auto text = std::isnan(row.before) ? readable : readable_change;
  return fmt::format("<span class=\"interval\">95 %: {} to {}{}</span>", text(row.low), text(row.high), over);
}

std::string tag_of(const std::string& verdict) {
  if (verdict.empty()) return "";
  const char* words = verdict == "better" ? "✓ better" : verdict == "worse" ? "✗ worse" : "may be chance";
  return fmt::format(" <span class=\"tag\">{}</span>", words);
}

std::string headline_line(const HeadlineRow& row) {
  const double change = std::isnan(row.change) ? row.after - row.before : row.change;
  const bool changes = !std::isnan(change);
  const std::string verdict = judgement(row);
  const std::string unit = row.unit.empty() ? "" : " <span class=\"unit\">" + escape(row.unit) + "</span>";
  std::string line = fmt::format("<tr><td><span class=\"what\">{}</span>{}<span class=\"why\">{}</span></td>",
                                 escape(row.name), unit, escape(row.meaning));
  line += fmt::format("<td data-label=\"Before\">{}</td>", readable(row.before));
  line += fmt::format("<td data-label=\"After\">{}{}</td>", readable(row.after),
                      changes ? "" : interval_text(row));
  if (!changes) return line + "<td></td></tr>\n";
  const bool known = !std::isnan(row.low) && !std::isnan(row.high);
  return line + fmt::format("<td data-label=\"Change\"><span class=\"{}\">{}{}{}</span>{}</td></tr>\n",
                            verdict.empty() ? "neutral" : verdict, readable_change(change), tag_of(verdict),
                            known ? whisker(change, row.low, row.high, verdict) : "", interval_text(row));
}

std::string headline_section(const std::vector<HeadlineRow>& rows) {
  if (rows.empty()) return "";
  std::string lines;
  for (const auto& row : rows) lines += headline_line(row);
  const bool evidence = std::ranges::any_of(rows, [](const HeadlineRow& row) { return row.count > 0; });
  const std::string lead =
      evidence
          ? "Before and after, with the 95 % interval of the change where the same prompts were measured "
            "both times. An interval that holds zero means that chance could explain the change."
          : "Before and after, as far as the run logged it. Nothing was measured on the same held-out "
            "prompts both times, so none of it is evidence: eval.data names a file for that.";
  return "<section><h2>What changed</h2><p class=\"lead\">" + lead +
         "</p>\n"
         "<table class=\"changes\"><thead>"
         "<tr><th>Measure</th><th>Before</th><th>After</th><th>Change</th></tr></thead><tbody>\n" +
         lines + "</tbody></table></section>";
}

constexpr std::size_t kMaxBadRows = 32, kMaxBadBytes = 4000;

std::string bad_batch_section(const ReportInput& input) {
  if (input.bad_batch.empty()) return "";
  std::string items;
  for (std::size_t i = 0; i < std::min(input.bad_batch.size(), kMaxBadRows); ++i) {
    const BadRow& row = input.bad_batch[i];
    items += fmt::format(
        "<div class=\"take\"><div class=\"take-head\"><span>{}</span></div>"
        "<p class=\"story prompt-part\">{}</p><p class=\"story\">{}</p></div>\n",
        escape(row.place), escape(cut(row.prompt, kMaxBadBytes)), escape(cut(row.completion, kMaxBadBytes)));
  }
  const std::string more = input.bad_batch.size() > kMaxBadRows
                               ? fmt::format(" The first {} of {}.", kMaxBadRows, input.bad_batch.size())
                               : "";
  return "<section id=\"bad-batch\"><h2>Where it stopped</h2><p class=\"lead\">The rows that the last "
         "update was to learn from, prompts in grey." +
         more + "</p>\n<div class=\"takes\">\n" + items + "</div></section>";
}

constexpr std::string_view kSamplesSection = R"(<section id="samples"><h2>What it writes</h2>
<p class="lead">The same prompts at different times of the run. Words that one text has and the other has not are marked, where the two have enough in common.</p>
<div class="controls"><button data-part="previous" type="button">Previous</button><span>Prompt <span data-part="count"></span></span><button data-part="next" type="button">Next</button>
<label>Left <select data-part="left-step"></select></label><label>Right <select data-part="right-step"></select></label></div>
<p class="story prompt" data-part="prompt"></p>
<div class="takes">
<div class="take" data-part="left"><div class="take-head"><span class="take-step"></span><span class="take-reward"></span></div><p class="story"></p></div>
<div class="take" data-part="right"><div class="take-head"><span class="take-step"></span><span class="take-reward"></span></div><p class="story"></p></div>
</div></section>)";

std::string recipe_section(const ReportInput& input) {
  if (input.recipe.empty()) return "";
  return "<section><h2>The recipe</h2><p class=\"lead\">Every setting, resolved. <code>attune train "
         "recipe.yaml output=NEW</code> repeats the run.</p><pre>" +
         escape(cut(input.recipe, kMaxRecipeBytes)) + "</pre></section>";
}

void flatten(const core::Json& value, const std::string& path, int depth, std::string& items,
             std::size_t& count) {
  if (count >= kMaxFacts) return;
  if (value.is_structured() && !value.empty() && depth < 6) {
    for (const auto& [name, inner] : value.items()) {
      flatten(inner, path.empty() ? name : path + (value.is_array() ? " " : " · ") + name, depth + 1, items,
              count);
    }
    return;
  }
  ++count;
  const std::string text = value.is_string() ? value.get<std::string>() : core::to_line(value);
  items += fmt::format("<dt>{}</dt><dd>{}</dd>\n", escape(path), escape(cut(text, 2000)));
}

std::string environment_section(const ReportInput& input) {
  if (!input.run.is_object() || input.run.empty()) return "";
  std::string items;
  std::size_t count = 0;
  flatten(input.run, "", 0, items, count);
  return "<section><h2>Where it ran</h2><p class=\"lead\">Versions, machine, seeds and fingerprints: what "
         "another run needs to give the same numbers.</p><dl class=\"pairs\">\n" +
         items + "</dl></section>";
}

std::string version_of(const ReportInput& input) {
  return input.run.is_object() && input.run.contains("version") && input.run["version"].is_string()
             ? escape(input.run["version"].get<std::string>())
             : "";
}

}  // namespace

std::string render_report(const ReportInput& input) {
  const auto headline = headline_of(input);
  const std::string verdict =
      input.extras.verdict.empty() ? verdict_in_words(input, headline) : input.extras.verdict;
  const Curves curves =
      render_curves(input.metrics, own_metrics(input.run), Settings(input.recipe).samples_itself());
  return fill_template(embedded_asset("report/page.html"),
                       {{"title", escape(title_of(input))},
                        {"style", std::string(embedded_asset("report/style.css"))},
                        {"folder", escape(input.folder_name)},
                        {"verdict", escape(verdict)},
                        {"facts", facts(input)},
                        {"warnings", warnings_section(input)},
                        {"bad_batch", bad_batch_section(input)},
                        {"headline", headline_section(headline)},
                        {"samples", input.samples.empty() ? "" : std::string(kSamplesSection)},
                        {"curves", curves.html},
                        {"gradients", gradients_section(input.metrics)},
                        {"recipe", recipe_section(input)},
                        {"environment", environment_section(input)},
                        {"version", version_of(input)},
                        {"curve_data", curves.data},
                        {"sample_data", sample_data(input.samples)},
                        {"charts_script", std::string(embedded_asset("report/charts.js"))},
                        {"samples_script", std::string(embedded_asset("report/samples.js"))}});
}

}  // namespace attune::report
