// Python's arithmetic on values. Integers have 64 bits; a result beyond them is an error.
#include <cmath>

#include <fmt/format.h>

#include "text/jinja/value/runtime.h"

namespace attune::text::jinja {
namespace {

constexpr const char* kSymbols[] = {"+", "-", "*", "/", "//", "%", "** or pow()"};

[[noreturn]] void fail_operands(Operation operation, const Value& left, const Value& right) {
  fail_type(fmt::format("unsupported operand type(s) for {}: '{}' and '{}'",
                        kSymbols[static_cast<int>(operation)], type_name(left), type_name(right)));
}

[[noreturn]] void fail_overflow() {
  throw Failure(FailureKind::kOverflow, "the integer result goes beyond 64 bits, which is not supported");
}

void check_divisor(bool zero, const char* message) {
  if (zero) throw Failure(FailureKind::kZeroDivision, message);
}

std::int64_t floor_divide(std::int64_t a, std::int64_t b) {
  check_divisor(b == 0, "integer division or modulo by zero");
  if (b == -1) {
    std::int64_t out = 0;
    if (__builtin_sub_overflow(std::int64_t{0}, a, &out)) fail_overflow();
    return out;
  }
  const std::int64_t quotient = a / b;
  return (a % b != 0 && (a < 0) != (b < 0)) ? quotient - 1 : quotient;
}

std::int64_t modulo(std::int64_t a, std::int64_t b) {
  check_divisor(b == 0, "integer modulo by zero");
  if (b == -1) return 0;
  const std::int64_t rest = a % b;
  return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
}

double modulo(double a, double b) {
  check_divisor(b == 0, "float modulo");
  const double rest = std::fmod(a, b);
  if (rest == 0) return std::copysign(0.0, b);
  return (rest < 0) != (b < 0) ? rest + b : rest;
}

double floor_divide(double a, double b) {
  check_divisor(b == 0, "float floor division by zero");
  const double rest = std::fmod(a, b);
  double quotient = (a - rest) / b;
  if (rest != 0 && (rest < 0) != (b < 0)) quotient -= 1;
  if (quotient == 0) return std::copysign(0.0, a / b);
  const double floored = std::floor(quotient);
  return quotient - floored > 0.5 ? floored + 1 : floored;
}

Value power(double base, double exponent) {
  check_divisor(base == 0 && exponent < 0, "0.0 cannot be raised to a negative power");
  if (base < 0 && std::isfinite(base) && std::isfinite(exponent) && std::floor(exponent) != exponent)
    throw Failure(FailureKind::kUnsupported, "complex numbers are not supported");
  const double result = std::pow(base, exponent);
  if (std::isinf(result) && std::isfinite(base) && std::isfinite(exponent))
    throw Failure(FailureKind::kOverflow, "(34, 'Numerical result out of range')");
  return Value::real(result);
}

Value power(std::int64_t base, std::int64_t exponent) {
  if (exponent < 0) return power(static_cast<double>(base), static_cast<double>(exponent));
  if (base == 1 || exponent == 0) return Value::integer(1);
  if (base == 0) return Value::integer(0);
  if (base == -1) return Value::integer(exponent % 2 == 0 ? 1 : -1);
  std::int64_t result = 1;
  for (std::int64_t i = 0; i < exponent; ++i)
    if (__builtin_mul_overflow(result, base, &result)) fail_overflow();
  return Value::integer(result);
}

Value integers(Operation operation, std::int64_t a, std::int64_t b) {
  std::int64_t out = 0;
  bool overflow = false;
  switch (operation) {
    case Operation::kAdd:
      overflow = __builtin_add_overflow(a, b, &out);
      break;
    case Operation::kSubtract:
      overflow = __builtin_sub_overflow(a, b, &out);
      break;
    case Operation::kMultiply:
      overflow = __builtin_mul_overflow(a, b, &out);
      break;
    case Operation::kDivide:
      check_divisor(b == 0, "division by zero");
      return Value::real(static_cast<double>(static_cast<long double>(a) / static_cast<long double>(b)));
    case Operation::kFloorDivide:
      return Value::integer(floor_divide(a, b));
    case Operation::kModulo:
      return Value::integer(modulo(a, b));
    case Operation::kPower:
      return power(a, b);
  }
  if (overflow) fail_overflow();
  return Value::integer(out);
}

Value floats(Operation operation, double a, double b) {
  switch (operation) {
    case Operation::kAdd:
      return Value::real(a + b);
    case Operation::kSubtract:
      return Value::real(a - b);
    case Operation::kMultiply:
      return Value::real(a * b);
    case Operation::kDivide:
      check_divisor(b == 0, "float division by zero");
      return Value::real(a / b);
    case Operation::kFloorDivide:
      return Value::real(floor_divide(a, b));
    case Operation::kModulo:
      return Value::real(modulo(a, b));
    case Operation::kPower:
      return power(a, b);
  }
  return Value();
}

Value add_strings(Runtime& runtime, const Value& left, const Value& right) {
  const bool markup = left.as_string().markup || right.as_string().markup;
  const Value a = markup ? escape(runtime, left) : left;
  const Value b = markup ? escape(runtime, right) : right;
  runtime.budget.check_text(a.text().size() + b.text().size());
  return runtime.string(a.text() + b.text(), markup);
}

Value repeat(Runtime& runtime, const Value& sequence, std::int64_t count) {
  const auto times = static_cast<std::size_t>(std::max<std::int64_t>(count, 0));
  if (sequence.is_string()) {
    const std::string& text = sequence.text();
    if (!text.empty())
      runtime.budget.check_text(times > (std::size_t{1} << 40) ? times : times * text.size());
    std::string out;
    out.reserve(text.empty() ? 0 : times * text.size());
    for (std::size_t i = 0; i < times && !text.empty(); ++i) out += text;
    return runtime.string(std::move(out), sequence.as_string().markup);
  }
  const auto& items = sequence.items();
  if (!items.empty())
    runtime.budget.check_items(times > (std::size_t{1} << 40) ? times : times * items.size());
  std::vector<Value> out;
  for (std::size_t i = 0; i < times && !items.empty(); ++i) out.insert(out.end(), items.begin(), items.end());
  return make_sequence(runtime.budget, sequence.kind(), std::move(out));
}

Value others(Runtime& runtime, Operation operation, const Value& left, const Value& right) {
  const auto repeatable = [](const Value& value) { return value.is_string() || value.is_sequence(); };
  if (operation == Operation::kModulo && left.is_string()) return percent_format(runtime, left, right);
  if (left.is_undefined()) left.fail_undefined();
  if (right.is_undefined()) right.fail_undefined();
  if (operation == Operation::kAdd && left.is_string() && right.is_string())
    return add_strings(runtime, left, right);
  if (operation == Operation::kAdd && left.is_sequence() && left.kind() == right.kind()) {
    std::vector<Value> items = left.items();
    items.insert(items.end(), right.items().begin(), right.items().end());
    return make_sequence(runtime.budget, left.kind(), std::move(items));
  }
  if (operation == Operation::kMultiply && repeatable(left) && right.is_integral())
    return repeat(runtime, left, right.as_int());
  if (operation == Operation::kMultiply && left.is_integral() && repeatable(right))
    return repeat(runtime, right, left.as_int());
  fail_operands(operation, left, right);
}

}  // namespace

Value arithmetic(Runtime& runtime, Operation operation, const Value& left, const Value& right) {
  if (left.is_integral() && right.is_integral()) return integers(operation, left.as_int(), right.as_int());
  if (left.is_number() && right.is_number()) return floats(operation, left.as_float(), right.as_float());
  return others(runtime, operation, left, right);
}

Value negate(const Value& value) {
  if (value.is_undefined()) value.fail_undefined();
  if (value.is_integral()) return integers(Operation::kSubtract, 0, value.as_int());
  if (value.is(Kind::kFloat)) return Value::real(-value.as_float());
  fail_type(fmt::format("bad operand type for unary -: '{}'", type_name(value)));
}

Value posit(const Value& value) {
  if (value.is_undefined()) value.fail_undefined();
  if (value.is_integral()) return Value::integer(value.as_int());
  if (value.is(Kind::kFloat)) return value;
  fail_type(fmt::format("bad operand type for unary +: '{}'", type_name(value)));
}

}  // namespace attune::text::jinja
