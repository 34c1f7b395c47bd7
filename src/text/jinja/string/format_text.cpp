// `'…' % values` and `'…'.format(…)`.
#include <cmath>

#include <fmt/format.h>

#include "text/jinja/value/runtime.h"
#include "text/jinja/value/unicode.h"

namespace attune::text::jinja {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// Walks over a `%` pattern.
class PercentFormatter {
 public:
  PercentFormatter(Runtime& runtime, const Value& pattern, const Value& arguments)
      : runtime_(runtime),
        pattern_(pattern.text()),
        markup_(pattern.as_string().markup),
        arguments_(arguments) {}

  std::string run() {
    std::string out;
    while (at_ < pattern_.size()) {
      runtime_.budget.check_text(out.size());
      const std::size_t sign = std::min(pattern_.find('%', at_), pattern_.size());
      out += pattern_.substr(at_, sign - at_);
      at_ = sign + 1;
      if (sign < pattern_.size()) out += conversion();
    }
    // Python takes whatever has items for a mapping, which may be left unused.
    const bool mapping = arguments_.is(Kind::kDict) || arguments_.is(Kind::kList) ||
                         arguments_.is(Kind::kRange) || arguments_.is_undefined();
    const bool leftover =
        arguments_.is(Kind::kTuple) ? used_ < arguments_.items().size() : used_ == 0 && !mapping;
    if (leftover && !by_name_) fail_type("not all arguments converted during string formatting");
    return out;
  }

 private:
  char peek() const {
    if (at_ >= pattern_.size()) fail_value("incomplete format");
    return pattern_[at_];
  }

  std::string conversion() {
    Value argument = Value::missing();
    if (peek() == '(') argument = named();
    std::string spec;
    bool left = false, zero = false;
    std::string sign;
    for (; std::string_view("-+ 0#").find(peek()) != std::string_view::npos; ++at_) {
      if (peek() == '-') left = true;
      if (peek() == '0') zero = true;
      if (peek() == '+' || (peek() == ' ' && sign.empty())) sign = peek();
    }
    const std::string width = digits();
    std::string precision;
    if (peek() == '.') {
      ++at_;
      precision = "." + digits();
      if (precision == ".") precision = ".0";
    }
    while (peek() == 'l' || peek() == 'h' || peek() == 'L') ++at_;
    const char type = pattern_[at_++];
    if (type == '%') return "%";
    if (argument.is(Kind::kMissing)) argument = next();
    const bool number = type != 's' && type != 'r' && type != 'a' && type != 'c';
    spec = left ? "<" : number && zero ? "0=" : ">";
    if (number) spec += sign;
    return convert(argument, type, spec + width + precision);
  }

  std::string digits() {
    std::string out;
    if (peek() == '*') {
      ++at_;
      return fmt::format("{}", std::max<std::int64_t>(index_of(next()), 0));
    }
    while (is_digit(peek())) out += pattern_[at_++];
    return out;
  }

  Value named() {
    const std::size_t end = pattern_.find(')', at_);
    if (end == std::string_view::npos) fail_value("incomplete format key");
    if (!arguments_.is(Kind::kDict)) fail_type("format requires a mapping");
    const std::string key(pattern_.substr(at_ + 1, end - at_ - 1));
    at_ = end + 1;
    by_name_ = true;
    const Value* found = arguments_.as_dict().find(std::string_view(key));
    if (!found) throw Failure(FailureKind::kLookup, quote_python(key));
    return *found;
  }

  Value next() {
    if (arguments_.is(Kind::kTuple) ? used_ >= arguments_.items().size() : used_ > 0)
      fail_type("not enough arguments for format string");
    const std::size_t at = used_++;
    return arguments_.is(Kind::kTuple) ? arguments_.items()[at] : arguments_;
  }

  std::string convert(const Value& argument, char type, const std::string& spec) {
    switch (type) {
      case 's': {
        const Value text = markup_ ? escape(runtime_, argument) : soft_string(runtime_, argument);
        return format_value(runtime_, text, spec);
      }
      case 'r':
      case 'a':
        return format_value(runtime_, runtime_.string(repr_of(runtime_, argument)), spec);
      case 'd':
      case 'i':
      case 'u':
        return integer(argument, 'd', spec);
      case 'x':
      case 'X':
      case 'o':
        if (argument.is(Kind::kFloat)) fail_type("an integer is required, not float");
        return integer(argument, type, spec);
      case 'e':
      case 'E':
      case 'f':
      case 'F':
      case 'g':
      case 'G':
        if (!argument.is_number()) fail_type(fmt::format("must be real number, not {}", type_name(argument)));
        return format_value(runtime_, Value::real(argument.as_float()), spec + type);
      default:
        fail_value(fmt::format("unsupported format character '{}'", type));
    }
  }

  std::string integer(const Value& argument, char type, const std::string& spec) {
    if (!argument.is_number())
      fail_type(fmt::format("%{} format: a real number is required, not {}", type, type_name(argument)));
    if (std::abs(argument.as_float()) > 9.2e18 || std::isnan(argument.as_float()))
      throw Failure(FailureKind::kOverflow, "the number goes beyond 64 bits");
    const std::int64_t number =
        argument.is_integral() ? argument.as_int() : static_cast<std::int64_t>(argument.as_float());
    const std::size_t point = spec.find('.');  // a precision asks for leading zeros, which nobody uses
    return format_value(runtime_, Value::integer(number), spec.substr(0, point) + type);
  }

  Runtime& runtime_;
  std::string_view pattern_;
  bool markup_;
  const Value& arguments_;
  std::size_t at_ = 0, used_ = 0;
  bool by_name_ = false;
};

/// Walks over a `{}` pattern.
class BraceFormatter {
 public:
  BraceFormatter(Runtime& runtime, const Args& args) : runtime_(runtime), args_(args) {}

  std::string run(std::string_view pattern, int depth = 0) {
    if (depth > 2) fail_value("Max string recursion exceeded");
    std::string out;
    for (std::size_t i = 0; i < pattern.size(); ++i) {
      runtime_.budget.check_text(out.size());
      const char c = pattern[i];
      const bool doubled = i + 1 < pattern.size() && pattern[i + 1] == c;
      if ((c == '{' || c == '}') && doubled) {
        out += pattern[i++];
        continue;
      }
      if (c == '}') fail_value("Single '}' encountered in format string");
      if (c != '{') {
        out += c;
        continue;
      }
      const std::size_t end = closing(pattern, i);
      out += field(pattern.substr(i + 1, end - i - 1), depth);
      i = end;
    }
    return out;
  }

 private:
  static std::size_t closing(std::string_view pattern, std::size_t open) {
    int level = 0;
    for (std::size_t i = open; i < pattern.size(); ++i) {
      if (pattern[i] == '{') ++level;
      if (pattern[i] == '}' && --level == 0) return i;
    }
    fail_value("expected '}' before end of string");
  }

  std::string field(std::string_view text, int depth) {
    const std::size_t name_end = std::min(text.find_first_of("!:"), text.size());
    Value value = lookup(text.substr(0, name_end));
    std::size_t at = name_end;
    if (at < text.size() && text[at] == '!') {
      if (at + 1 >= text.size()) fail_value("end of string while looking for conversion specifier");
      const char how = text[at + 1];
      if (how != 's' && how != 'r' && how != 'a') fail_value("Unknown conversion specifier");
      value = runtime_.string(how == 's' ? text_of(runtime_, value) : repr_of(runtime_, value));
      at += 2;
      if (at < text.size() && text[at] != ':') fail_value("expected ':' after conversion specifier");
    }
    const std::string specification = at < text.size() ? run(text.substr(at + 1), depth + 1) : "";
    return format_value(runtime_, value, specification);
  }

  Value lookup(std::string_view name) {
    const std::size_t end = std::min(name.find_first_of(".["), name.size());
    Value value = first(name.substr(0, end));
    for (std::size_t at = end; at < name.size();) {
      const bool attribute = name[at] == '.';
      const std::size_t stop =
          attribute ? std::min(name.find_first_of(".[", at + 1), name.size()) : name.find(']', at);
      if (stop == std::string_view::npos) fail_value("Missing ']' in format string");
      const std::string part(name.substr(at + 1, stop - at - 1));
      if (part.empty()) fail_value("Empty attribute in format string");
      const auto number = parse_int(part, 10);
      if (attribute)
        value = runtime_.attribute(value, part);
      else
        value = runtime_.item(value, number ? Value::integer(*number) : runtime_.string(part));
      at = attribute ? stop : stop + 1;
    }
    return value;
  }

  Value first(std::string_view name) {
    const auto number = parse_int(name, 10);
    if (name.empty() || number) {
      if (name.empty() == explicit_ && (explicit_ || automatic_ > 0))
        fail_value("cannot mix automatic field numbering and manual field specification");
      explicit_ = !name.empty();
      const std::int64_t at = name.empty() ? automatic_++ : *number;
      if (at >= static_cast<std::int64_t>(args_.positional.size()))
        throw Failure(FailureKind::kLookup, "Replacement index out of range for positional args tuple");
      return args_.positional[static_cast<std::size_t>(at)];
    }
    const Value* found = args_.keyword(name);
    if (!found) throw Failure(FailureKind::kLookup, quote_python(name));
    return *found;
  }

  Runtime& runtime_;
  const Args& args_;
  std::int64_t automatic_ = 0;
  bool explicit_ = false;
};

}  // namespace

Value percent_format(Runtime& runtime, const Value& pattern, const Value& arguments) {
  return runtime.string(PercentFormatter(runtime, pattern, arguments).run(), pattern.as_string().markup);
}

Value brace_format(Runtime& runtime, const Value& pattern, const Args& args) {
  runtime.budget.work(pattern.text().size());
  return runtime.string(BraceFormatter(runtime, args).run(pattern.text()), pattern.as_string().markup);
}

}  // namespace attune::text::jinja
