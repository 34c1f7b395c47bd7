// str() and repr() of values.
#include <charconv>
#include <cmath>

#include <fmt/format.h>

#include "text/jinja/value/runtime.h"
#include "text/jinja/value/unicode.h"

namespace attune::text::jinja {
namespace {

void append_escaped(std::string& out, char32_t c) {
  if (c == '\n')
    out += "\\n";
  else if (c == '\r')
    out += "\\r";
  else if (c == '\t')
    out += "\\t";
  else if (c < 0x100)
    out += fmt::format("\\x{:02x}", static_cast<unsigned>(c));
  else if (c < 0x10000)
    out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
  else
    out += fmt::format("\\U{:08x}", static_cast<unsigned>(c));
}

class Writer {
 public:
  Writer(Runtime& runtime, std::string& out) : runtime_(runtime), out_(out) {}

  void write(const Value& value) {
    runtime_.budget.step();
    runtime_.budget.check_text(out_.size());
    switch (value.kind()) {
      case Kind::kMissing:
      case Kind::kUndefined:
        out_ += "Undefined";
        return;
      case Kind::kNone:
        out_ += "None";
        return;
      case Kind::kBool:
        out_ += value.as_bool() ? "True" : "False";
        return;
      case Kind::kInt:
        out_ += fmt::format("{}", value.as_int());
        return;
      case Kind::kFloat:
        out_ += float_text(value.as_float());
        return;
      case Kind::kString:
        write_string(value.as_string());
        return;
      case Kind::kList:
        write_items(value.items(), "[", "]");
        return;
      case Kind::kTuple:
        write_items(value.items(), "(", value.items().size() == 1 ? ",)" : ")");
        return;
      case Kind::kDict:
        write_dict(value.as_dict());
        return;
      case Kind::kRange:
        write_range(value.as_range());
        return;
      case Kind::kView:
        write_view(value);
        return;
      case Kind::kIterator:
        out_ += fmt::format("<{} object>", type_name(value));
        return;
      case Kind::kObject:
        out_ += value.as_object().text_form(runtime_);
        return;
    }
  }

 private:
  void write_string(const StringData& string) {
    runtime_.budget.work(string.text.size());
    out_ += string.markup ? "Markup(" + quote_python(string.text) + ")" : quote_python(string.text);
  }
  void write_items(const std::vector<Value>& items, const char* open, const char* close) {
    out_ += open;
    for (std::size_t i = 0; i < items.size(); ++i) {
      if (i > 0) out_ += ", ";
      write(items[i]);
    }
    out_ += close;
  }
  void write_dict(const DictData& dict) {
    out_ += '{';
    for (std::size_t i = 0; i < dict.entries.size(); ++i) {
      if (i > 0) out_ += ", ";
      write(dict.entries[i].first);
      out_ += ": ";
      write(dict.entries[i].second);
    }
    out_ += '}';
  }
  void write_range(const RangeData& range) {
    out_ += fmt::format("range({}, {}", range.start, range.stop);
    out_ += range.step == 1 ? ")" : fmt::format(", {})", range.step);
  }
  void write_view(const Value& value) {
    const ViewData& view = value.as_view();
    std::vector<Value> items;
    for (std::size_t i = 0; i < view.dict.as_dict().entries.size(); ++i) items.push_back(view.at(i));
    write_items(items, fmt::format("{}([", type_name(value)).c_str(), "])");
  }

  Runtime& runtime_;
  std::string& out_;
};

}  // namespace

std::string quote_python(std::string_view text) {
  const bool double_quotes =
      text.find('\'') != std::string_view::npos && text.find('"') == std::string_view::npos;
  const char quote = double_quotes ? '"' : '\'';
  std::string out(1, quote);
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t start = i;
    const char32_t c = next_code_point(text, i);
    if (c == static_cast<char32_t>(quote) || c == '\\') out += '\\';
    if (is_printable(c))
      out += text.substr(start, i - start);
    else
      append_escaped(out, c);
  }
  return out + quote;
}

std::string float_text(double number) {
  if (std::isnan(number)) return "nan";
  if (std::isinf(number)) return number > 0 ? "inf" : "-inf";
  char buffer[64];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, number, std::chars_format::scientific).ptr;
  const std::string_view text(buffer, static_cast<std::size_t>(end - buffer));
  const std::size_t e = text.find('e');
  std::string digits;
  for (const char c : text.substr(0, e))
    if (c >= '0' && c <= '9') digits += c;
  const int exponent = std::atoi(std::string(text.substr(e + 1)).c_str());
  const std::string sign = text[0] == '-' ? "-" : "";
  if (exponent < -4 || exponent >= 16) {
    std::string out = sign + digits[0];
    if (digits.size() > 1) out += "." + digits.substr(1);
    return out + fmt::format("e{}{:02}", exponent < 0 ? '-' : '+', std::abs(exponent));
  }
  if (exponent < 0) return sign + "0." + std::string(static_cast<std::size_t>(-exponent - 1), '0') + digits;
  const auto whole = static_cast<std::size_t>(exponent) + 1;
  if (digits.size() <= whole) return sign + digits + std::string(whole - digits.size(), '0') + ".0";
  return sign + digits.substr(0, whole) + "." + digits.substr(whole);
}

std::string repr_of(Runtime& runtime, const Value& value) {
  std::string out;
  Writer(runtime, out).write(value);
  return out;
}

std::string text_of(Runtime& runtime, const Value& value) {
  if (value.is_string()) return value.text();
  if (value.is_undefined()) return "";
  return repr_of(runtime, value);
}

Value soft_string(Runtime& runtime, const Value& value) {
  return value.is_string() ? value : runtime.string(text_of(runtime, value));
}

}  // namespace attune::text::jinja
