// Filters that make numbers.
#include <cmath>

#include <fmt/format.h>

#include "text/jinja/filter/filters.h"

namespace attune::text::jinja {
namespace {

std::int64_t whole(double number) {
  if (std::isnan(number)) fail_value("cannot convert float NaN to integer");
  if (std::abs(number) >= 9.223372036854775e18)
    throw Failure(FailureKind::kOverflow, "the number goes beyond 64-bit integers");
  return static_cast<std::int64_t>(number);
}

/// float(value); empty for TypeError and ValueError.
std::optional<double> as_float(const Value& value) {
  if (value.is_undefined()) value.fail_undefined();
  if (value.is_number()) return value.as_float();
  if (value.is_string()) return parse_float(value.text());
  return std::nullopt;
}

Value integer(Runtime&, const Value& self, const Args& args) {
  const Parameters given(args, "int", {"default", "base"}, 0);
  const Value otherwise = given.get(0, Value::integer(0));
  if (self.is_integral()) return Value::integer(self.as_int());
  if (self.is(Kind::kFloat)) {
    if (std::isnan(self.as_float())) return otherwise;
    return Value::integer(whole(self.as_float()));
  }
  if (self.is_string()) {
    const std::int64_t base = given.integer(1, 10);
    if (base != 0 && (base < 2 || base > 36)) return otherwise;
    if (const auto number = parse_int(self.text(), static_cast<int>(base))) return Value::integer(*number);
  }
  const auto number = as_float(self);
  if (!number || !std::isfinite(*number)) return otherwise;
  return Value::integer(whole(*number));
}

Value real(Runtime&, const Value& self, const Args& args) {
  const Parameters given(args, "float", {"default"}, 0);
  const auto number = as_float(self);
  return number ? Value::real(*number) : given.get(0, Value::real(0));
}

Value absolute(Runtime&, const Value& self, const Args& args) {
  const Parameters none(args, "abs", {}, 0);
  if (self.is(Kind::kFloat)) return Value::real(std::abs(self.as_float()));
  if (!self.is_integral()) fail_type(fmt::format("bad operand type for abs(): '{}'", type_name(self)));
  return self.as_int() < 0 ? negate(self) : posit(self);
}

/// Half to even on the exact binary value, as Python's float.__round__.
double round_to(double number, std::int64_t digits) {
  if (!std::isfinite(number) || digits > 323) return number;
  if (digits < -308) return std::copysign(0.0, number);
  if (digits >= 0)
    return std::strtod(fmt::format("{:.{}f}", number, static_cast<int>(digits)).c_str(), nullptr);
  const long double scale = std::pow(10.0L, static_cast<long double>(-digits));
  return static_cast<double>(std::nearbyint(static_cast<long double>(number) / scale) * scale);
}

Value round_integer(std::int64_t number, std::int64_t digits) {
  if (digits >= 0) return Value::integer(number);
  if (digits < -18) return Value::integer(0);
  __extension__ using Wide = __int128;
  Wide scale = 1;
  for (std::int64_t i = 0; i < -digits; ++i) scale *= 10;
  Wide quotient = number / scale;
  const Wide rest = number % scale, twice = (rest < 0 ? -rest : rest) * 2;
  if (twice > scale || (twice == scale && quotient % 2 != 0)) quotient += number < 0 ? -1 : 1;
  return Value::integer(static_cast<std::int64_t>(quotient * scale));
}

Value round(Runtime& runtime, const Value& self, const Args& args) {
  const Parameters given(args, "round", {"precision", "method"}, 0);
  const std::string method = given.has(1) ? text_of(runtime, given[1]) : "common";
  if (method != "common" && method != "ceil" && method != "floor")
    throw Failure(FailureKind::kTemplate, "method must be common, ceil or floor");
  if (method == "common") {
    if (!self.is_number()) fail_type(fmt::format("type {} doesn't define __round__ method", type_name(self)));
    const bool whole_number = given.has(0) && given[0].is(Kind::kNone);
    const std::int64_t digits = whole_number ? 0 : given.integer(0, 0);
    if (self.is_integral()) return round_integer(self.as_int(), digits);
    const double rounded = round_to(self.as_float(), digits);
    return whole_number ? Value::integer(whole(rounded)) : Value::real(rounded);
  }
  const Value scale =
      arithmetic(runtime, Operation::kPower, Value::integer(10), given.get(0, Value::integer(0)));
  const Value scaled = arithmetic(runtime, Operation::kMultiply, self, scale);
  if (!scaled.is_number()) fail_type(fmt::format("must be real number, not {}", type_name(scaled)));
  const double cut = method == "ceil" ? std::ceil(scaled.as_float()) : std::floor(scaled.as_float());
  const Value number = scaled.is_integral() ? posit(scaled) : Value::integer(whole(cut));
  return arithmetic(runtime, Operation::kDivide, number, scale);
}

Value file_size(Runtime& runtime, const Value& self, const Args& args) {
  const Parameters given(args, "filesizeformat", {"binary"}, 0);
  const bool binary = given.flag(0, false);
  const auto number = as_float(self);
  if (!number) fail_type("filesizeformat needs a number");
  const double base = binary ? 1024 : 1000;
  if (*number == 1) return runtime.string("1 Byte");
  if (*number < base) return runtime.string(fmt::format("{} Bytes", whole(*number)));
  constexpr std::string_view kPrefixes = "kMGTPEZY";
  double unit = base;
  std::size_t at = 0;
  for (; at + 1 < kPrefixes.size() && *number >= unit * base; ++at) unit *= base;
  const std::string prefix(1, at == 0 && binary ? 'K' : kPrefixes[at]);
  return runtime.string(fmt::format("{:.1f} {}{}B", *number / unit, prefix, binary ? "i" : ""));
}

}  // namespace

void add_number_filters(FunctionTable& table) {
  table.insert({{"int", integer},
                {"float", real},
                {"abs", absolute},
                {"round", round},
                {"filesizeformat", file_size}});
}

}  // namespace attune::text::jinja
