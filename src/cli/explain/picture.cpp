#include "cli/explain/picture.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "cli/explain/text.h"
#include "cli/tokens/token_pieces.h"

namespace attune::cli {
namespace {

using core::Json;

constexpr std::size_t kPromptTokens = 60;      ///< a longer prompt is shortened in its middle
constexpr std::size_t kMostTokenColumns = 24;  ///< the widest column of tokens
constexpr int kBarCells = 8;

std::string joined(const std::vector<std::string>& pieces, std::size_t from, std::size_t to) {
  std::string text;
  for (std::size_t i = from; i < to; ++i) {
    const bool quoted = pieces[i].size() >= 2 && pieces[i].front() == '\'';
    text += quoted ? pieces[i].substr(1, pieces[i].size() - 2) : pieces[i];
  }
  return text;
}

double sum_of(const Json& values) {
  double sum = 0;
  for (const Json& value : values)
    if (value.is_number()) sum += value.get<double>();
  return sum;
}

/// What the coefficients of a candidate are about: tokens by themselves, or the score of all.
bool is_scored(const Json& candidate) { return !candidate["score_coefficients"].empty(); }

class RecordPicture {
 public:
  RecordPicture(const RealStep& step, std::int64_t tokens, bool colour)
      : result_(step.result),
        codec_(step.codec),
        prompt_(result_["prompt_ids"].get<std::vector<std::int32_t>>()),
        tokens_(static_cast<std::size_t>(tokens)),
        colour_(colour) {
    for (const Json& candidate : result_["candidates"])
      for (const Json& value : candidate["coefficients"])
        most_ = std::max(most_, std::abs(value.get<double>()));
  }

  std::string text() const {
    std::string text = heading();
    std::string words = kInWords;
    for (const Json& candidate : result_["candidates"]) {
      if (candidate["row"] != result_["row"]) continue;
      const auto ids = candidate["ids"].get<std::vector<std::int32_t>>();
      const auto pieces = token_pieces(prompt_, ids, codec_);
      text += candidate_heading(candidate);
      if (is_scored(candidate))
        text += "    " + joined(pieces, 0, std::min(tokens_, pieces.size())) + more(pieces.size()) + "\n";
      else
        text += table(candidate, pieces);
      words += in_words(candidate, pieces);
    }
    text += others() + fmt::format("\n  loss = {:.6g}\n", result_["loss"].get<double>());
    for (const auto& [name, value] : result_["metrics"].items())
      text += fmt::format("  {} = {}\n", name, number(value));
    return text + words;
  }

 private:
  std::string heading() const {
    std::string text = fmt::format("\nRecord {} of {} that {} can use (format {}; row {}, id {})\n",
                                   number(result_["record"]), visible(result_["data"].get<std::string>()),
                                   result_["method"].get<std::string>(), result_["format"].get<std::string>(),
                                   number(result_["row"]), visible(result_["id"].get<std::string>()));
    text += fmt::format("Model: {}, {}\n", result_["model"].get<std::string>(),
                        result_["dtype"].get<std::string>());
    if (result_["reference"] == "policy")
      text +=
          "Reference: the same weights; at the start of training policy = reference, and every log-ratio is "
          "0\n";
    else if (!result_["reference"].is_null())
      text += fmt::format("Reference: {}\n", result_["reference"].get<std::string>());
    if (result_.value("score_head", "") == "fresh")
      text += "Score head: fresh random weights, as at the start of training\n";
    const auto pieces = token_pieces({}, prompt_, codec_);
    text += fmt::format("Prompt ({} tokens): ", pieces.size());
    if (pieces.size() <= kPromptTokens) return text + joined(pieces, 0, pieces.size()) + "\n";
    const std::size_t half = kPromptTokens / 2, hidden = pieces.size() - 2 * half;
    return text + joined(pieces, 0, half) + fmt::format(" … {} tokens … ", hidden) +
           joined(pieces, pieces.size() - half, pieces.size()) + "\n";
  }

  std::string candidate_heading(const Json& candidate) const {
    std::string text = fmt::format("\n  [{}]   {} tokens", candidate["feedback"].get<std::string>(),
                                   candidate["ids"].size());
    if (!candidate["logps"].empty()) text += fmt::format(", log π = {:.4g}", sum_of(candidate["logps"]));
    if (!candidate["ref_logps"].empty()) {
      const double reference = sum_of(candidate["ref_logps"]);
      text += fmt::format(", log π_ref = {:.4g}, log-ratio = {:+.4g}", reference,
                          sum_of(candidate["logps"]) - reference);
    }
    if (is_scored(candidate))
      text += fmt::format(", score = {}, coefficient = {}", number(candidate["scores"][0]),
                          number(candidate["score_coefficients"][0]));
    if (!candidate["advantages"].empty()) {
      for (const Json& value : candidate["advantages"])
        if (value.is_number()) return text + fmt::format(", advantage = {}\n", number(value));
    }
    return text + "\n";
  }

  std::string table(const Json& candidate, const std::vector<std::string>& pieces) const {
    const std::size_t shown = std::min(tokens_, pieces.size());
    std::size_t width = 5;
    for (std::size_t t = 0; t < shown; ++t) width = std::max(width, width_of(pieces[t]));
    width = std::min(width, kMostTokenColumns);
    std::string text = "    " + padded("token", width) + "    log π";
    if (!candidate["ref_logps"].empty()) text += "  log π_ref";
    text += "  coefficient";
    const Json extra = signals(candidate);
    for (const auto& signal : extra.items()) text += fmt::format("  {} (coefficient)", signal.key());
    text += "\n";
    for (std::size_t t = 0; t < shown; ++t) text += row(candidate, t, padded(pieces[t], width)) + "\n";
    return text + (shown < pieces.size() ? "   " + more(pieces.size()) + "\n" : "");
  }

  std::string row(const Json& candidate, std::size_t t, const std::string& piece) const {
    const bool trained = candidate["mask"][t] != 0;
    std::string text = "    " + piece + fmt::format("  {:>7}", number(candidate["logps"][t]));
    if (!candidate["ref_logps"].empty()) text += fmt::format("    {:>7}", number(candidate["ref_logps"][t]));
    if (!trained) return painted("2", text + "   not trained on");
    const double push = candidate["coefficients"][t].get<double>();
    text += fmt::format("  {:>11}", number(candidate["coefficients"][t]));
    const Json extra = signals(candidate);
    for (const auto& [key, values] : extra.items()) {
      const auto found = candidate["signal_coefficients"].find(key);
      text += fmt::format("  {} ({})", number(values[t]), number((*found)[t]));
    }
    return painted(push > 0 ? "32" : push < 0 ? "31" : "", text + "  " + bar(push));
  }

  /// Signals besides the log-probabilities that the loss is differentiated through.
  static Json signals(const Json& candidate) {
    Json found = Json::object();
    if (candidate.contains("signal_coefficients"))
      for (const auto& pushes : candidate["signal_coefficients"].items())
        found[pushes.key()] = candidate["signals"][pushes.key()];
    return found;
  }

  /// Seen without colours, too: how strong a push is among all that are shown.
  std::string bar(double push) const {
    if (push == 0 || most_ == 0) return "";
    const int cells = std::max(1, static_cast<int>(std::lround(kBarCells * std::abs(push) / most_)));
    std::string text;
    for (int i = 0; i < cells; ++i) text += push > 0 ? "▲" : "▼";
    return text;
  }

  std::string painted(const char* code, const std::string& text) const {
    return colour_ && *code != '\0' ? fmt::format("\x1b[{}m{}\x1b[0m", code, text) : text;
  }

  std::string more(std::size_t tokens) const {
    if (tokens <= tokens_) return "";
    return fmt::format(" … {} more tokens (tokens={} shows all)", tokens - tokens_, tokens);
  }

  static std::string in_words(const Json& candidate, const std::vector<std::string>& pieces) {
    const std::string feedback = candidate["feedback"].get<std::string>();
    if (is_scored(candidate))
      return score_push_in_words(feedback, candidate["score_coefficients"][0].get<double>());
    std::vector<double> pushes;
    std::vector<std::string> names;
    for (std::size_t t = 0; t < pieces.size(); ++t) {
      if (candidate["mask"][t] == 0) continue;
      pushes.push_back(candidate["coefficients"][t].get<double>());
      names.push_back(joined(pieces, t, t + 1));
    }
    const std::size_t beginning = std::min<std::size_t>(pieces.size(), 4);
    return push_in_words(joined(pieces, 0, beginning) + (beginning < pieces.size() ? "…" : ""), feedback,
                         pushes, names);
  }

  /// A line for each candidate of the step that belongs to other records.
  std::string others() const {
    std::string text;
    for (const Json& candidate : result_["candidates"]) {
      if (candidate["row"] == result_["row"]) continue;
      const Json& pushes = candidate["coefficients"];
      text += fmt::format("    row {:<6} [{}]   {} tokens, log π = {:.4g}, coefficients add up to {:+.4g}\n",
                          number(candidate["row"]), candidate["feedback"].get<std::string>(),
                          candidate["ids"].size(), sum_of(candidate["logps"]), sum_of(pushes));
    }
    if (text.empty()) return "";
    return fmt::format("\n  The loss couples the step: {} records (step_records=N). The others:\n",
                       number(result_["step_records"])) +
           text;
  }

  const Json& result_;
  const data::TextCodec& codec_;
  std::vector<std::int32_t> prompt_;
  std::size_t tokens_;
  bool colour_;
  double most_ = 0;  ///< the largest coefficient, which gets the longest bar
};

}  // namespace

std::string real_step_text(const RealStep& step, std::int64_t tokens, bool colour) {
  return RecordPicture(step, tokens, colour).text();
}

}  // namespace attune::cli
