#include "core/config/fields.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "core/config/nearest.h"
#include "core/config/truth.h"
#include "core/error.h"

namespace attune::core {
namespace {

template <class... Cases>
struct Overload : Cases... {
  using Cases::operator()...;
};
template <class... Cases>
Overload(Cases...) -> Overload<Cases...>;

[[noreturn]] void wrong_type(const Value& value, const std::string& key, std::string_view wanted) {
  std::string hint;
  const bool number_in_quotes =
      value.is_scalar() && value.quoted() && resolve_scalar(value.text()).is_number();
  if (number_in_quotes && wanted.find("number") != std::string_view::npos) hint = "; remove the quotes";
  fail_request("{}: {} must be {}, found {}{}", value.place(), key, wanted, value.described(), hint);
}

std::string quoted_list(const std::vector<std::string>& names) {
  return fmt::format("{}", fmt::join(names, ", "));
}

bool read_bool(const Value& value, const std::string& key) {
  const std::optional<bool> truth = truth_of(value);
  if (!truth) wrong_type(value, key, "true or false");
  return *truth;
}

double read_double(const Value& value, const std::string& key) {
  const Json json = value.to_json();
  if (!json.is_number()) wrong_type(value, key, "a number");
  const double number = json.get<double>();
  if (!std::isfinite(number))
    fail_request("{}: {} must be a finite number, found {}", value.place(), key, value.text());
  return number;
}

std::int64_t read_int(const Value& value, const std::string& key) {
  const Json json = value.to_json();
  if (!json.is_number() || json.is_number_unsigned()) {
    // 2^63 and above are the only unsigned numbers here.
    if (json.is_number_unsigned() && json.get<std::uint64_t>() <= std::uint64_t{INT64_MAX})
      return json.get<std::int64_t>();
    wrong_type(value, key, json.is_number() ? "a smaller whole number" : "a whole number");
  }
  if (json.is_number_integer()) return json.get<std::int64_t>();
  const double number = json.get<double>();  // 1e3 is 1000
  if (!(std::abs(number) <= 0x1p53) || number != std::floor(number)) wrong_type(value, key, "a whole number");
  return static_cast<std::int64_t>(number);
}

std::string read_string(const Value& value, const std::string& key) {
  if (!value.is_scalar()) wrong_type(value, key, "a text");
  return value.text();
}

}  // namespace

Field::Field(std::string name, Target target, std::string help)
    : name_(std::move(name)), help_(std::move(help)), target_(target) {}

Field& Field::positive() {
  low_ = 0;
  low_open_ = true;
  return *this;
}

Field& Field::non_negative() { return range(0, high_); }

Field& Field::range(double low, double high) {
  low_ = low;
  high_ = high;
  low_open_ = false;
  return *this;
}

Field& Field::one_of(std::vector<std::string> names) {
  choices_ = std::move(names);
  return *this;
}

Field& Field::alias(std::string name) {
  aliases_.push_back(std::move(name));
  return *this;
}

Field& Field::optional() {
  optional_ = true;
  return *this;
}

Field& Field::short_form(std::string first) {
  ATTUNE_ASSERT(takes_any());
  first_ = std::move(first);
  return *this;
}

Field& Field::shown_type(std::string type) {
  shown_type_ = std::move(type);
  return *this;
}

Field& Field::documented(std::vector<OptionRow> long_form) {
  long_form_ = std::move(long_form);
  return *this;
}
Field& Field::default_from(std::string where) {
  default_from_ = std::move(where);
  return *this;
}

std::string Field::type() const {
  if (!shown_type_.empty()) return shown_type_;
  return std::visit(Overload{[](bool*) { return "bool"; }, [](std::int64_t*) { return "int"; },
                             [](double*) { return "float"; }, [](std::string*) { return "string"; },
                             [](std::vector<std::string>*) { return "list of strings"; },
                             [](std::vector<std::int64_t>*) { return "list of ints"; },
                             [](std::vector<double>*) { return "list of floats"; },
                             [](Json*) { return "any"; }, [](Value*) { return "any"; }},
                    target_);
}

std::string Field::allowed() const {
  if (!choices_.empty()) return "one of " + quoted_list(choices_);
  if (std::isinf(low_) && std::isinf(high_)) return "";
  if (std::isinf(high_)) return fmt::format("{} {:g}", low_open_ ? ">" : ">=", low_);
  if (std::isinf(low_)) return fmt::format("<= {:g}", high_);
  return fmt::format("{:g} to {:g}", low_, high_);
}

Json Field::value() const {
  return std::visit(Overload{[](const Value* value) { return value->to_json(); },
                             [](const auto* target) { return Json(*target); }},
                    target_);
}

void Field::check_number(double number, const Value& value, const std::string& key) const {
  const bool low_ok = low_open_ ? number > low_ : number >= low_;
  if (low_ok && number <= high_) return;
  const std::string wanted = std::isinf(high_) || std::isinf(low_) ? allowed() : "from " + allowed();
  fail_request("{}: {} must be {}, found {}", value.place(), key, wanted, value.text());
}

void Field::check_choice(const std::string& text, const Value& value, const std::string& key) const {
  if (choices_.empty() || std::find(choices_.begin(), choices_.end(), text) != choices_.end()) return;
  const std::string near = nearest(text, choices_);
  fail_request("{}: {} must be one of {}, found '{}'{}", value.place(), key, quoted_list(choices_), text,
               near.empty() ? "" : "; did you mean '" + near + "'?");
}

/// Assigns one value to the type behind a Target.
struct Assigner {
  const Field& field;
  const Value& value;
  const std::string& key;

  void operator()(bool* target) const { *target = read_bool(value, key); }
  void operator()(std::int64_t* target) const { *target = number<std::int64_t>(value, key); }
  void operator()(double* target) const { *target = number<double>(value, key); }
  void operator()(std::string* target) const { *target = text(value, key); }
  void operator()(std::vector<std::string>* target) const {
    *target = many<std::string>([&](const Value& item, const std::string& name) { return text(item, name); });
  }
  void operator()(std::vector<std::int64_t>* target) const {
    *target = many<std::int64_t>(
        [&](const Value& item, const std::string& name) { return number<std::int64_t>(item, name); });
  }
  void operator()(std::vector<double>* target) const {
    *target =
        many<double>([&](const Value& item, const std::string& name) { return number<double>(item, name); });
  }
  void operator()(Json* target) const { *target = as_long_form().to_json(); }
  void operator()(Value* target) const { *target = value; }

 private:
  template <class Number>
  Number number(const Value& from, const std::string& name) const {
    Number result;
    if constexpr (std::is_same_v<Number, double>) {
      result = read_double(from, name);
    } else {
      result = read_int(from, name);
    }
    field.check_number(static_cast<double>(result), from, name);
    return result;
  }
  std::string text(const Value& from, const std::string& name) const {
    std::string result = read_string(from, name);
    field.check_choice(result, from, name);
    return result;
  }
  template <class T, class Read>
  std::vector<T> many(const Read& read) const {
    if (value.is_scalar()) return {read(value, key)};
    if (!value.is_list()) wrong_type(value, key, "a list");
    std::vector<T> result;
    result.reserve(value.items().size());
    for (std::size_t i = 0; i < value.items().size(); ++i) {
      result.push_back(read(value.items()[i], fmt::format("{}[{}]", key, i)));
    }
    return result;
  }
  Value as_long_form() const {
    if (field.first().empty() || value.is_map() || value.is_null()) return value;
    return Value::map({{field.first(), value}}, value.place());
  }
};

void Field::assign(const Value& value, const std::string& key) {
  if (value.is_null() && !takes_any()) {
    if (optional_) return;
    fail_request("{}: {} needs a value ({})", value.place(), key, type());
  }
  std::visit(Assigner{*this, value, key}, target_);
}

}  // namespace attune::core
