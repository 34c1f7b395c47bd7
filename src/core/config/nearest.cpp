#include "core/config/nearest.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <utility>

#include "core/ascii.h"

namespace attune::core {
namespace {

constexpr std::size_t kLongestName = 64;  // longer names are no misspelt option

std::string normal_form(std::string_view name) { return snake_case(name.substr(0, kLongestName)); }

/// What people write short.
std::string spelled_out(std::string name) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 10> kShort = {
      {{"lr", "learning_rate"},
       {"wd", "weight_decay"},
       {"bs", "batch_size"},
       {"betas", "adam_beta1"},
       {"eps", "adam_epsilon"},
       {"warmup", "warmup_steps"},
       {"grad_accum", "gradient_accumulation_steps"},
       {"grad_acc", "gradient_accumulation_steps"},
       {"max_seq_len", "max_length"},
       {"max_sequence_length", "max_length"}}};
  for (const auto& [written, meant] : kShort)
    if (written == name) return std::string(meant);
  return name;
}

constexpr std::size_t kEdit = 2;  // what an edit costs; a letter too often or once too few costs half

bool repeats(const std::string& text, std::size_t at) { return at > 0 && text[at] == text[at - 1]; }

/// Optimal string alignment distance, in halves.
std::size_t distance(const std::string& a, const std::string& b) {
  std::vector<std::size_t> before, previous(b.size() + 1), row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) previous[j] = kEdit * j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = kEdit * i;
    const std::size_t removal = repeats(a, i - 1) ? kEdit / 2 : kEdit;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t insertion = repeats(b, j - 1) ? kEdit / 2 : kEdit;
      row[j] = std::min({previous[j] + removal, row[j - 1] + insertion,
                         previous[j - 1] + (a[i - 1] == b[j - 1] ? 0 : kEdit)});
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) row[j] = std::min(row[j], before[j - 2] + kEdit);
    }
    before = previous;
    previous = row;
  }
  return previous[b.size()];
}

}  // namespace

std::string nearest(std::string_view name, const std::vector<std::string>& candidates) {
  if (name.empty() || name.size() > kLongestName) return "";
  const std::string wanted = spelled_out(normal_form(name));
  std::string best;
  std::size_t best_distance = SIZE_MAX;
  for (const std::string& candidate : candidates) {
    const std::string other = normal_form(candidate);
    const std::size_t d = distance(wanted, other);
    // Half of the longer name may differ; of very short names one letter.
    const std::size_t longer = std::max(wanted.size(), other.size());
    const std::size_t allowed = kEdit * std::max<std::size_t>(1, longer / 2 - (wanted.size() > 5));
    if (d <= allowed && d < best_distance && d < kEdit * longer) {
      best = candidate;
      best_distance = d;
    }
  }
  return best;
}

std::string did_you_mean(std::string_view name, const std::vector<std::string>& known) {
  constexpr std::size_t kShort = 20, kMostShown = 40;
  const std::string near = nearest(name, known);
  std::string text = near.empty() ? "; known are: " : fmt::format("; did you mean '{}'?", near);
  if (!near.empty() && known.size() > kShort) return text;
  if (!near.empty()) text += " Known are: ";
  if (known.empty()) return text + "none";
  text += fmt::format("{}", fmt::join(std::span(known).first(std::min(known.size(), kMostShown)), ", "));
  return known.size() > kMostShown ? text + ", …" : text;
}

}  // namespace attune::core
