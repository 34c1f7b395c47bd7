// Number and text formatting: format specifications, `%` formatting and str.format.
#include <cmath>

#include <fmt/format.h>

#include "text/jinja/value/runtime.h"
#include "text/jinja/value/unicode.h"

namespace attune::text::jinja {
namespace {

constexpr std::int64_t kMaxWidth = 1'000'000;

/// [[fill]align][sign][#][0][width][,][.precision][type]
struct Specification {
  std::string fill = " ";
  char align = 0, sign = '-', type = 0, grouping = 0;
  bool alternate = false;
  std::int64_t width = 0, precision = -1;
};

std::int64_t read_width(std::string_view text, std::size_t& at) {
  std::int64_t number = 0;
  while (at < text.size() && text[at] >= '0' && text[at] <= '9' && number <= kMaxWidth)
    number = number * 10 + (text[at++] - '0');
  if (number > kMaxWidth) fail_value("Too many decimal digits in format string");
  return number;
}

bool is_align(char c) { return c == '<' || c == '>' || c == '^' || c == '='; }

Specification read_specification(std::string_view text) {
  Specification out;
  std::size_t at = 0;
  std::size_t after_fill = 0;
  if (!text.empty()) next_code_point(text, after_fill);
  if (after_fill < text.size() && is_align(text[after_fill])) {
    out.fill = text.substr(0, after_fill);
    out.align = text[after_fill];
    at = after_fill + 1;
  } else if (!text.empty() && is_align(text[0])) {
    out.align = text[at++];
  }
  const auto peek = [&] { return at < text.size() ? text[at] : '\0'; };
  if (peek() == '+' || peek() == '-' || peek() == ' ') out.sign = text[at++];
  if (peek() == '#') out.alternate = ++at > 0;
  if (peek() == '0') {
    ++at;
    if (!out.align) {
      out.fill = "0";
      out.align = '=';
    }
  }
  out.width = read_width(text, at);
  if (peek() == ',' || peek() == '_') out.grouping = text[at++];
  if (peek() == '.') {
    const std::size_t digits = ++at;
    out.precision = read_width(text, at);
    if (at == digits) fail_value("Format specifier missing precision");
  }
  if (at < text.size()) out.type = text[at++];
  if (at < text.size()) fail_value("Invalid format specifier");
  return out;
}

/// Sign and digits put together to the width.
std::string align(const Specification& spec, const std::string& sign, const std::string& body,
                  char otherwise) {
  const auto size = static_cast<std::int64_t>(code_points(sign) + code_points(body));
  const std::int64_t extra = std::max<std::int64_t>(spec.width - size, 0);
  const char how = spec.align ? spec.align : otherwise;
  const std::int64_t left = how == '^' ? extra / 2 : how == '<' ? 0 : extra;
  const auto fill = [&](std::int64_t times) {
    std::string out;
    for (std::int64_t i = 0; i < times; ++i) out += spec.fill;
    return out;
  };
  if (how == '=') return sign + fill(extra) + body;
  return fill(left) + sign + body + fill(extra - left);
}

std::string group(const std::string& digits, char separator, std::size_t every) {
  std::string out;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % every == 0) out += separator;
    out += digits[i];
  }
  return out;
}

std::string format_integer(const Specification& spec, std::int64_t number) {
  const std::uint64_t magnitude =
      number < 0 ? ~static_cast<std::uint64_t>(number) + 1 : static_cast<std::uint64_t>(number);
  std::string digits, prefix;
  switch (spec.type) {
    case 'x':
      digits = fmt::format("{:x}", magnitude), prefix = "0x";
      break;
    case 'X':
      digits = fmt::format("{:X}", magnitude), prefix = "0X";
      break;
    case 'o':
      digits = fmt::format("{:o}", magnitude), prefix = "0o";
      break;
    case 'b':
      digits = fmt::format("{:b}", magnitude), prefix = "0b";
      break;
    default:
      digits = fmt::format("{}", magnitude);
  }
  if (spec.precision >= 0) fail_value("Precision not allowed in integer format specifier");
  if (spec.grouping) digits = group(digits, spec.grouping, prefix.empty() ? 3 : 4);
  std::string sign = number < 0 ? "-" : spec.sign == '-' ? "" : std::string(1, spec.sign);
  if (spec.alternate) sign += prefix;
  return align(spec, sign, digits, '>');
}

std::string float_digits(const Specification& spec, double magnitude) {
  const int precision = spec.precision < 0 ? 6 : static_cast<int>(spec.precision);
  switch (spec.type) {
    case 'e':
      return fmt::format("{:.{}e}", magnitude, precision);
    case 'E':
      return fmt::format("{:.{}E}", magnitude, precision);
    case 'f':
    case 'F':
      return fmt::format("{:.{}f}", magnitude, precision);
    case 'g':
      return fmt::format("{:.{}g}", magnitude, precision);
    case 'G':
      return fmt::format("{:.{}G}", magnitude, precision);
    case '%':
      return fmt::format("{:.{}f}%", magnitude * 100, precision);
    default:
      break;
  }
  if (spec.precision < 0) return float_text(magnitude);
  std::string out = fmt::format("{:.{}g}", magnitude, std::max(precision, 1));
  const bool has_point = out.find_first_of(".en") != std::string::npos;
  return has_point ? out : out + ".0";
}

std::string format_float(const Specification& spec, double number) {
  const bool negative = std::signbit(number);
  std::string digits = float_digits(spec, std::abs(number));
  if (spec.grouping) {
    const std::size_t whole = std::min(digits.find_first_not_of("0123456789"), digits.size());
    digits = group(digits.substr(0, whole), spec.grouping, 3) + digits.substr(whole);
  }
  return align(spec, negative ? "-" : spec.sign == '-' ? "" : std::string(1, spec.sign), digits, '>');
}

std::string format_text(const Specification& spec, std::string_view text) {
  if (spec.align == '=' || spec.sign != '-' || spec.grouping)
    fail_value("format not allowed in string specifier");
  const std::size_t size = code_points(text);
  if (spec.precision >= 0 && static_cast<std::size_t>(spec.precision) < size)
    text = text.substr(0, byte_offset(text, false, static_cast<std::size_t>(spec.precision)));
  return align(spec, "", std::string(text), '<');
}

[[noreturn]] void fail_code(char type, const Value& value) {
  fail_value(fmt::format("Unknown format code '{}' for object of type '{}'", type, type_name(value)));
}

}  // namespace

std::string format_value(Runtime& runtime, const Value& value, std::string_view specification) {
  if (specification.empty()) return text_of(runtime, value);
  const bool formattable = value.is_string() || value.is_number();
  if (!formattable)
    fail_type(fmt::format("unsupported format string passed to {}.__format__", type_name(value)));
  Specification spec = read_specification(specification);
  if (value.is_string()) {
    if (spec.type && spec.type != 's') fail_code(spec.type, value);
    if (spec.fill == "0" && spec.align == '=') spec.align = '<';
    return format_text(spec, value.text());
  }
  constexpr std::string_view kIntegerTypes = "dnxXob", kFloatTypes = "eEfFgG%";
  const bool as_integer =
      value.is_integral() && (!spec.type || kIntegerTypes.find(spec.type) != std::string::npos);
  if (value.is_integral() && spec.type == 'c') {
    std::string character;
    append_code_point(character, static_cast<char32_t>(value.as_int() & 0x1FFFFF));
    return align(spec, "", character, '<');
  }
  if (as_integer) return format_integer(spec, value.as_int());
  if (spec.type && spec.type != 'n' && kFloatTypes.find(spec.type) == std::string::npos)
    fail_code(spec.type, value);
  return format_float(spec, value.as_float());
}

}  // namespace attune::text::jinja
