// json.dumps, as transformers' `tojson` calls it.
#include <cmath>

#include <fmt/format.h>

#include "text/jinja/value/runtime.h"
#include "text/jinja/value/unicode.h"

namespace attune::text::jinja {
namespace {

class JsonWriter {
 public:
  JsonWriter(Runtime& runtime, const JsonStyle& style) : runtime_(runtime), style_(style) {}

  void write(const Value& value) {
    runtime_.budget.step();
    runtime_.budget.check_text(out_.size());
    switch (value.kind()) {
      case Kind::kString:
        write_string(value.text());
        return;
      case Kind::kList:
      case Kind::kTuple:
        write_list(value.items());
        return;
      case Kind::kDict:
        write_dict(value.as_dict());
        return;
      case Kind::kNone:
      case Kind::kBool:
      case Kind::kInt:
      case Kind::kFloat:
        out_ += scalar(value);
        return;
      default:
        fail_type(fmt::format("Object of type {} is not JSON serializable", type_name(value)));
    }
  }
  std::string take() { return std::move(out_); }

 private:
  static std::string scalar(const Value& value) {
    if (value.is(Kind::kNone)) return "null";
    if (value.is(Kind::kBool)) return value.as_bool() ? "true" : "false";
    if (value.is(Kind::kInt)) return fmt::format("{}", value.as_int());
    const double number = value.as_float();
    if (std::isnan(number)) return "NaN";
    if (std::isinf(number)) return number > 0 ? "Infinity" : "-Infinity";
    return float_text(number);
  }

  void write_string(std::string_view text) {
    runtime_.budget.work(text.size());
    out_ += '"';
    for (std::size_t i = 0; i < text.size();) {
      const std::size_t start = i;
      const char32_t c = next_code_point(text, i);
      if (c < 0x20 || c == '"' || c == '\\')
        write_escape(c);
      else if (style_.ascii && c >= 0x7F)
        write_unicode(c);
      else
        out_ += text.substr(start, i - start);
    }
    out_ += '"';
  }
  void write_escape(char32_t c) {
    static constexpr std::string_view kFrom = "\"\\\n\r\t\f\b", kTo = "\"\\nrtfb";
    const auto at = kFrom.find(static_cast<char>(c));
    if (at != std::string_view::npos)
      (out_ += '\\') += kTo[at];
    else
      write_unicode(c);
  }
  void write_unicode(char32_t c) {
    if (c < 0x10000) {
      out_ += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
      return;
    }
    const auto rest = static_cast<unsigned>(c) - 0x10000;
    out_ += fmt::format("\\u{:04x}\\u{:04x}", 0xD800 + (rest >> 10), 0xDC00 + (rest & 0x3FF));
  }

  void new_line(std::size_t level) {
    if (!style_.indent) return;
    out_ += '\n';
    runtime_.budget.check_text(out_.size() + level * style_.indent->size());
    for (std::size_t i = 0; i < level; ++i) out_ += *style_.indent;
  }
  template <class Items, class WriteOne>
  void write_group(const Items& items, char open, char close, const WriteOne& write_one) {
    out_ += open;
    if (!items.empty()) {
      ++level_;
      bool first = true;
      for (const auto& item : items) {
        if (!first) out_ += style_.item_separator;
        first = false;
        new_line(level_);
        write_one(item);
      }
      new_line(--level_);
    }
    out_ += close;
  }

  void write_list(const std::vector<Value>& items) {
    write_group(items, '[', ']', [&](const Value& item) { write(item); });
  }
  void write_dict(const DictData& dict) {
    std::vector<Value> keys, values;
    for (const auto& [key, value] : dict.entries) {
      keys.push_back(key);
      values.push_back(value);
    }
    if (style_.sorted) {
      const std::vector<Value> by = keys;
      sort_by(runtime_, keys, by, false);
      sort_by(runtime_, values, by, false);
    }
    std::size_t at = 0;
    write_group(keys, '{', '}', [&](const Value& key) {
      write_key(key);
      out_ += style_.key_separator;
      write(values[at++]);
    });
  }
  void write_key(const Value& key) {
    if (key.is_string()) return write_string(key.text());
    if (!key.is_number() && !key.is(Kind::kNone))
      fail_type(fmt::format("keys must be str, int, float, bool or None, not {}", type_name(key)));
    out_ += '"' + scalar(key) + '"';
  }

  Runtime& runtime_;
  const JsonStyle& style_;
  std::string out_;
  std::size_t level_ = 0;
};

}  // namespace

std::string json_text(Runtime& runtime, const Value& value, const JsonStyle& style) {
  JsonWriter writer(runtime, style);
  writer.write(value);
  return writer.take();
}

}  // namespace attune::text::jinja
