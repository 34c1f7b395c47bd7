#include "feedback/answer.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>

#include "feedback/text_rule.h"

namespace attune::feedback {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// The text between the brace at `open` and its partner; nothing when it never closes.
std::optional<std::string_view> braced(std::string_view text, std::size_t open) {
  long depth = 0;
  for (std::size_t i = open; i < text.size(); ++i) {
    depth += (text[i] == '{') - (text[i] == '}');
    if (depth == 0) return text.substr(open + 1, i - open - 1);
  }
  return std::nullopt;
}

std::optional<std::string> boxed(std::string_view text) {
  constexpr std::string_view marker = "\\boxed{";
  const std::size_t at = text.rfind(marker);
  if (at == std::string_view::npos) return std::nullopt;
  const auto inside = braced(text, at + marker.size() - 1);
  return inside ? std::optional<std::string>(*inside) : std::nullopt;
}

std::optional<std::string> last_number(std::string_view text) {
  std::size_t end = text.size();
  while (end > 0 && !is_digit(text[end - 1])) --end;
  if (end == 0) return std::nullopt;
  std::size_t begin = end;
  const auto part = [&](std::size_t i) {
    if (is_digit(text[i])) return true;
    return (text[i] == '.' || text[i] == ',' || text[i] == '/') && i > 0 && is_digit(text[i - 1]);
  };
  while (begin > 0 && part(begin - 1)) --begin;
  if (begin > 0 && text[begin - 1] == '.') --begin;  // ".5"
  // A minus sign, but not the dash of "3-4" or a hyphenated word.
  if (begin > 0 && text[begin - 1] == '-') {
    const bool joined = begin > 1 && (std::isalnum(static_cast<unsigned char>(text[begin - 2])) != 0);
    if (!joined) --begin;
  }
  std::string number(text.substr(begin, end - begin));
  if (end < text.size() && text[end] == '%') number += '%';
  return number;
}

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
}

/// Without decoration that does not change the meaning.
std::string plain(std::string_view answer) {
  std::string text(trimmed(answer));
  for (const char* noise : {"\\left", "\\right", "\\!", "\\,", "\\;", "\\ ", "$", "^\\circ", "^{\\circ}"}) {
    replace_all(text, noise, "");
  }
  for (const char* fraction : {"\\dfrac", "\\tfrac"}) replace_all(text, fraction, "\\frac");
  for (const std::string_view wrapper : {"\\text{", "\\mathrm{", "\\textbf{"}) {
    for (std::size_t at = text.find(wrapper); at != std::string::npos; at = text.find(wrapper)) {
      const auto inside = braced(text, at + wrapper.size() - 1);
      if (!inside) break;
      const std::string kept(*inside);
      text.replace(at, wrapper.size() + kept.size() + 1, kept);
    }
  }
  std::erase_if(text, [](char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; });
  while (!text.empty() && text.back() == '.') text.pop_back();
  return lowercase(text);
}

std::optional<double> decimal(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value)) return std::nullopt;
  return value;
}

std::optional<double> quotient(std::string_view top, std::string_view bottom) {
  const auto a = decimal(top), b = decimal(bottom);
  if (!a || !b || *b == 0) return std::nullopt;
  return *a / *b;
}

/// -\frac{a}{b}
std::optional<double> latex_fraction(std::string_view text) {
  const double sign = text.starts_with('-') ? -1 : 1;
  if (sign < 0) text.remove_prefix(1);
  constexpr std::string_view marker = "\\frac{";
  if (!text.starts_with(marker)) return std::nullopt;
  const auto top = braced(text, marker.size() - 1);
  if (!top) return std::nullopt;
  const std::size_t second = marker.size() + top->size() + 1;
  if (second >= text.size() || text[second] != '{') return std::nullopt;
  const auto bottom = braced(text, second);
  if (!bottom || second + bottom->size() + 2 != text.size()) return std::nullopt;
  const auto value = quotient(*top, *bottom);
  return value ? std::optional(sign * *value) : std::nullopt;
}

}  // namespace

std::optional<std::string> final_answer(std::string_view text) {
  if (auto answer = boxed(text)) return answer;
  const std::size_t marker = text.rfind("####");
  if (marker != std::string_view::npos) {
    std::string_view line = text.substr(marker + 4);
    line = trimmed(line.substr(0, line.find('\n', line.find_first_not_of(" \n"))));
    if (!line.empty()) return std::string(line);
  }
  return last_number(text);
}

std::optional<double> number_value(std::string_view answer) {
  std::string text = plain(answer);
  // Thousands separators only where they separate thousands: "1,234" but not the pair "1,2".
  for (std::size_t at = text.find(','); at != std::string::npos; at = text.find(',', at)) {
    const auto digits =
        std::find_if_not(text.begin() + static_cast<std::ptrdiff_t>(at) + 1, text.end(), is_digit);
    if (at == 0 || !is_digit(text[at - 1]) || digits - text.begin() != static_cast<std::ptrdiff_t>(at) + 4) {
      return std::nullopt;
    }
    text.erase(at, 1);
  }
  double scale = 1;
  for (const std::string_view percent : {"\\%", "%"}) {
    if (!text.ends_with(percent)) continue;
    text.resize(text.size() - percent.size());
    scale = 0.01;
    break;
  }
  const std::size_t slash = text.find('/');
  std::optional<double> value =
      slash == std::string::npos ? decimal(text) : quotient(text.substr(0, slash), text.substr(slash + 1));
  if (!value) value = latex_fraction(text);
  return value ? std::optional(*value * scale) : std::nullopt;
}

bool same_answer(std::string_view a, std::string_view b) {
  const auto first = number_value(a), second = number_value(b);
  if (first && second) return std::abs(*first - *second) <= 1e-6 * std::max(1e-6, std::abs(*second));
  const std::string left = plain(a), right = plain(b);
  return !left.empty() && left == right;
}

}  // namespace attune::feedback
