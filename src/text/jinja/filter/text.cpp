// Filters that make text.
#include <fmt/format.h>

#include "text/jinja/filter/filters.h"
#include "text/jinja/string/split.h"
#include "text/jinja/value/unicode.h"

namespace attune::text::jinja {
namespace {

/// Runs a method of strings on the text of any value.
template <const char* const& name>
Value as_method(Runtime& runtime, const Value& self, const Args& args) {
  return find_string_method(name)(runtime, soft_string(runtime, self), args);
}
constexpr const char* kUpper = "upper";
constexpr const char* kLower = "lower";
constexpr const char* kCapitalize = "capitalize";

Value trim(Runtime& runtime, const Value& self, const Args& args) {
  const Parameters given(args, "trim", {"chars"}, 0);
  Args chars;
  if (given.some(0)) chars.positional.push_back(given[0]);
  return find_string_method("strip")(runtime, soft_string(runtime, self), chars);
}

Value center(Runtime& runtime, const Value& self, const Args& args) {
  const Parameters given(args, "center", {"width"}, 0);
  Args width;
  width.positional.push_back(given.get(0, Value::integer(80)));
  return find_string_method("center")(runtime, soft_string(runtime, self), width);
}

Value string(Runtime& runtime, const Value& self, const Args& args) {
  const Parameters none(args, "string", {}, 0);
  return soft_string(runtime, self);
}

/// Unlike str.title, words begin behind white space, dashes and opening brackets only.
Value title(Runtime& runtime, const Value& self, const Args& args) {
  const Parameters none(args, "title", {}, 0);
  const Value value = soft_string(runtime, self);
  const std::string& text = value.text();
  runtime.budget.work(text.size() * 4);
  std::string out;
  const auto begins_word = [](char32_t c) {
    return is_space(c) || c == '-' || c == '(' || c == '{' || c == '[' || c == '<';
  };
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t start = i;
    std::size_t first_end = i;
    const bool separator = begins_word(next_code_point(text, first_end));
    while (i < text.size()) {
      std::size_t next = i;
      if (begins_word(next_code_point(text, next)) != separator) break;
      i = next;
    }
    out += change_case(std::string_view(text).substr(start, first_end - start), Casing::kUpper);
    out += change_case(std::string_view(text).substr(first_end, i - first_end), Casing::kLower);
  }
  return runtime.string(std::move(out));
}

Value replace(Runtime& runtime, const Value& self, const Args& args) {
  const Parameters given(args, "replace", {"old", "new", "count"}, 2);
  return runtime.string(replaced(runtime.budget, text_of(runtime, self), text_of(runtime, given[0]),
                                 text_of(runtime, given[1]), given.some(2) ? index_of(given[2]) : -1));
}

Value join(Runtime& runtime, const Value& self, const Args& args) {
  const Parameters given(args, "join", {"d", "attribute"}, 0);
  const std::string separator = given.has(0) ? text_of(runtime, given[0]) : "";
  const AttributeReader read(runtime, given.get(1, Value::none()));
  std::string out;
  bool first = true;
  for (const auto& item : runtime.collect(self)) {
    if (!first) out += separator;
    first = false;
    out += text_of(runtime, read(runtime, item));
    runtime.budget.check_text(out.size());
  }
  return runtime.string(std::move(out));
}

Value indent(Runtime& runtime, const Value& self, const Args& args) {
  const Parameters given(args, "indent", {"width", "first", "blank"}, 0);
  const Value width = given.get(0, Value::integer(4));
  if (self.is_undefined()) self.fail_undefined();
  if (!self.is_string()) fail_type(fmt::format("cannot indent a {}", type_name(self)));
  if (!width.is_string())
    runtime.budget.check_text(static_cast<std::size_t>(std::max<std::int64_t>(index_of(width), 0)));
  const std::string indention =
      width.is_string()
          ? width.text()
          : std::string(static_cast<std::size_t>(std::max<std::int64_t>(width.as_int(), 0)), ' ');
  const std::string text = self.text() + "\n";
  std::string out = given.flag(1, false) ? indention : "";
  bool first = true;
  for (const auto line : split_lines(text, false)) {
    if (!first) out += '\n';
    if (!first && (!line.empty() || given.flag(2, false))) out += indention;
    out += line;
    first = false;
    runtime.budget.check_text(out.size());
  }
  return runtime.string(std::move(out), self.as_string().markup);
}

Value truncate(Runtime& runtime, const Value& self, const Args& args) {
  const Parameters given(args, "truncate", {"s", "killwords", "end", "leeway"}, 0);
  const std::int64_t length = given.integer(0, 255), leeway = given.some(3) ? index_of(given[3]) : 5;
  const std::string end = given.has(2) ? string_of(given[2]) : "...";
  const auto end_size = static_cast<std::int64_t>(code_points(end));
  if (length < end_size || leeway < 0)
    fail_value("expected length >= the length of the end, and leeway >= 0");
  const auto size = runtime.length(self);
  if (!size) fail_type(fmt::format("object of type '{}' has no len()", type_name(self)));
  if (*size <= length + leeway) return self;
  const std::string& text = string_of(self);
  const std::size_t cut =
      byte_offset(text, self.as_string().ascii(), static_cast<std::size_t>(length - end_size));
  std::string kept = text.substr(0, cut);
  if (!given.flag(1, false)) kept = kept.substr(0, kept.rfind(' '));
  return runtime.string(kept + end, self.as_string().markup);
}

Value word_count(Runtime& runtime, const Value& self, const Args& args) {
  const Parameters none(args, "wordcount", {}, 0);
  const Value value = soft_string(runtime, self);
  const std::string& text = value.text();
  runtime.budget.work(text.size() * 4);
  std::int64_t words = 0;
  bool inside = false;
  for (std::size_t i = 0; i < text.size();) {
    const bool word = is_word(next_code_point(text, i));
    words += word && !inside;
    inside = word;
  }
  return Value::integer(words);
}

Value format(Runtime& runtime, const Value& self, const Args& args) {
  if (!args.positional.empty() && !args.keywords.empty())
    throw Failure(FailureKind::kTemplate, "can't handle positional and keyword arguments at the same time");
  Value values = runtime.tuple(args.positional);
  if (!args.keywords.empty()) {
    auto dict = std::make_shared<DictData>();
    for (const auto& [key, value] : args.keywords) dict->set(runtime.string(key), value);
    values = make_dict(runtime.budget, std::move(dict));
  }
  return percent_format(runtime, soft_string(runtime, self), values);
}

Value safe(Runtime& runtime, const Value& self, const Args& args) {
  const Parameters none(args, "safe", {}, 0);
  return runtime.string(text_of(runtime, self), true);
}

Value escape_filter(Runtime& runtime, const Value& self, const Args& args) {
  const Parameters none(args, "escape", {}, 0);
  return escape(runtime, self);
}

Value force_escape(Runtime& runtime, const Value& self, const Args& args) {
  const Parameters none(args, "forceescape", {}, 0);
  return escape(runtime, runtime.string(text_of(runtime, self)));
}

Value to_json(Runtime& runtime, const Value& self, const Args& args) {
  const Parameters given(args, "tojson", {"ensure_ascii", "indent", "separators", "sort_keys"}, 0);
  JsonStyle style;
  style.ascii = given.flag(0, false);
  style.sorted = given.flag(3, false);
  if (given.some(1)) {
    const std::int64_t width = given[1].is_string() ? 0 : std::max<std::int64_t>(index_of(given[1]), 0);
    runtime.budget.check_text(static_cast<std::size_t>(width));
    style.indent = given[1].is_string() ? given[1].text() : std::string(static_cast<std::size_t>(width), ' ');
    style.item_separator = ",";
  }
  if (given.some(2)) {
    const auto pair = runtime.collect(given[2]);
    if (pair.size() != 2) fail_value("separators must be a pair");
    style.item_separator = string_of(pair[0]);
    style.key_separator = string_of(pair[1]);
  }
  return runtime.string(json_text(runtime, self, style));
}

std::string url_quoted(std::string_view text, bool query) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain =
        byte < 0x80 && (is_word(byte) || c == '.' || c == '-' || c == '~' || (c == '/' && !query));
    if (plain)
      out += c;
    else if (c == ' ' && query)
      out += '+';
    else
      out += fmt::format("%{:02X}", byte);
  }
  return out;
}

Value url_encode(Runtime& runtime, const Value& self, const Args& args) {
  const Parameters none(args, "urlencode", {}, 0);
  const bool plain = self.is_string() || self.is_number() || self.is(Kind::kNone) || self.is(Kind::kObject);
  if (plain) return runtime.string(url_quoted(text_of(runtime, self), false));
  auto pairs = self;
  if (self.is(Kind::kDict)) {
    Args no_args;
    pairs = find_container_method(Kind::kDict, "items")(runtime, self, no_args);
  }
  std::string out;
  for (const auto& pair : runtime.collect(pairs)) {
    const auto parts = runtime.collect(pair);
    if (parts.size() != 2) fail_value("urlencode needs pairs");
    if (!out.empty()) out += '&';
    out += url_quoted(text_of(runtime, parts[0]), true) + '=' + url_quoted(text_of(runtime, parts[1]), true);
    runtime.budget.check_text(out.size());
  }
  return runtime.string(std::move(out));
}

}  // namespace

Value escape(Runtime& runtime, const Value& value) {
  if (value.is_string() && value.as_string().markup) return value;
  std::string out;
  for (const char c : text_of(runtime, value)) {
    if (c == '&')
      out += "&amp;";
    else if (c == '<')
      out += "&lt;";
    else if (c == '>')
      out += "&gt;";
    else if (c == '\'')
      out += "&#39;";
    else if (c == '"')
      out += "&#34;";
    else
      out += c;
  }
  return runtime.string(std::move(out), true);
}

void add_text_filters(FunctionTable& table) {
  table.insert({{"upper", as_method<kUpper>},
                {"lower", as_method<kLower>},
                {"capitalize", as_method<kCapitalize>},
                {"trim", trim},
                {"center", center},
                {"string", string},
                {"title", title},
                {"replace", replace},
                {"join", join},
                {"indent", indent},
                {"truncate", truncate},
                {"wordcount", word_count},
                {"format", format},
                {"safe", safe},
                {"e", escape_filter},
                {"escape", escape_filter},
                {"forceescape", force_escape},
                {"tojson", to_json},
                {"urlencode", url_encode}});
}

}  // namespace attune::text::jinja
