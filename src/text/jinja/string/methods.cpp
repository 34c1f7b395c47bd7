// Methods of strings: casing, searching, stripping, padding and questions.
#include <algorithm>
#include <cstring>
#include <map>
#include <optional>

#include <fmt/format.h>

#include "text/jinja/string/split.h"
#include "text/jinja/value/runtime.h"
#include "text/jinja/value/unicode.h"

namespace attune::text::jinja {
namespace {

using Keywords = Parameters::Keywords;

/// Results of methods of Markup are Markup.
Value like(Runtime& runtime, const Value& self, std::string text) {
  return runtime.string(std::move(text), self.as_string().markup);
}

template <Casing casing>
Value cased(Runtime& runtime, const Value& self, const Args& args) {
  const Parameters none(args, "str method", {}, 0);
  runtime.budget.work(self.text().size() * 4);
  return like(runtime, self, change_case(self.text(), casing));
}

template <Class what>
Value asked(Runtime& runtime, const Value& self, const Args& args) {
  const Parameters none(args, "str method", {}, 0);
  runtime.budget.work(self.text().size() * 4);
  return Value::boolean(all_are(self.text(), what));
}

Value is_identifier_method(Runtime&, const Value& self, const Args& args) {
  const Parameters none(args, "isidentifier", {}, 0);
  return Value::boolean(is_identifier(self.text()));
}

template <bool left, bool right>
Value stripped(Runtime& runtime, const Value& self, const Args& args) {
  const Parameters given(args, "strip", {"chars"}, 0, Keywords::kForbidden);
  const std::string* characters = given.some(0) ? &string_of(given[0]) : nullptr;
  runtime.budget.work(self.text().size() * (characters ? characters->size() + 1 : 1));
  return like(runtime, self, std::string(strip(self.text(), characters, left, right)));
}

/// The part text[start:end] that a search looks at, and where it begins (code points).
struct Window {
  std::string_view text;
  std::int64_t start = 0;
  bool valid = true;
};

Window window_of(Runtime& runtime, const Value& self, const Parameters& given, std::size_t first) {
  const StringData& string = self.as_string();
  const auto size = static_cast<std::int64_t>(string.length);
  const auto place = [&](std::size_t index, std::int64_t otherwise) {
    if (!given.some(index)) return otherwise;
    const std::int64_t at = index_of(given[index]);
    return at < 0 ? std::max<std::int64_t>(at + size, 0) : at;
  };
  const std::int64_t start = place(first, 0), end = std::min(place(first + 1, size), size);
  runtime.budget.work(string.text.size());
  if (start > end) return {"", start, false};
  const std::size_t from = byte_offset(string.text, string.ascii(), static_cast<std::size_t>(start));
  const std::size_t to = byte_offset(string.text, string.ascii(), static_cast<std::size_t>(end));
  return {std::string_view(string.text).substr(from, to - from), start, true};
}

template <bool from_right, bool must_find>
Value found(Runtime& runtime, const Value& self, const Args& args) {
  const Parameters given(args, "find", {"sub", "start", "end"}, 1, Keywords::kForbidden);
  const std::string& sub = string_of(given[0]);
  const Window window = window_of(runtime, self, given, 1);
  const auto at = !window.valid ? std::string_view::npos
                  : from_right  ? find_last(window.text, sub)
                                : find_first(window.text, sub, 0);
  if (at != std::string_view::npos)
    return Value::integer(window.start + static_cast<std::int64_t>(code_points(window.text.substr(0, at))));
  if (must_find) fail_value("substring not found");
  return Value::integer(-1);
}

Value count_text(Runtime& runtime, const Value& self, const Args& args) {
  const Parameters given(args, "count", {"sub", "start", "end"}, 1, Keywords::kForbidden);
  const std::string& sub = string_of(given[0]);
  const Window window = window_of(runtime, self, given, 1);
  if (!window.valid) return Value::integer(0);
  if (sub.empty()) return Value::integer(static_cast<std::int64_t>(code_points(window.text)) + 1);
  std::int64_t times = 0;
  for (std::size_t at = 0; (at = find_first(window.text, sub, at)) != std::string_view::npos;
       at += sub.size())
    ++times;
  return Value::integer(times);
}

template <bool at_start>
Value affixed(Runtime& runtime, const Value& self, const Args& args) {
  const Parameters given(args, at_start ? "startswith" : "endswith", {"prefix", "start", "end"}, 1,
                         Keywords::kForbidden);
  const Window window = window_of(runtime, self, given, 1);
  const auto matches = [&](const Value& affix) {
    const std::string& text = string_of(affix);
    if (!window.valid || text.size() > window.text.size()) return false;
    return window.text.substr(at_start ? 0 : window.text.size() - text.size(), text.size()) == text;
  };
  if (!given[0].is(Kind::kTuple)) return Value::boolean(matches(given[0]));
  bool any = false;
  for (const auto& affix : given[0].items()) any = any || matches(affix);
  return Value::boolean(any);
}

template <bool at_start>
Value affix_removed(Runtime& runtime, const Value& self, const Args& args) {
  const Parameters given(args, "removeprefix", {"prefix"}, 1, Keywords::kForbidden);
  const std::string& affix = string_of(given[0]);
  std::string_view text = self.text();
  const bool fits = affix.size() <= text.size() &&
                    text.substr(at_start ? 0 : text.size() - affix.size(), affix.size()) == affix;
  if (fits) text = text.substr(at_start ? affix.size() : 0, text.size() - affix.size());
  return like(runtime, self, std::string(text));
}

/// Text padded with `fill` to both sides.
Value padded(Runtime& runtime, const Value& self, std::int64_t left, std::int64_t right,
             const std::string& fill) {
  const auto total = static_cast<std::size_t>(left) + static_cast<std::size_t>(right);
  runtime.budget.check_text(self.text().size() + total * fill.size());
  std::string out;
  for (std::int64_t i = 0; i < left; ++i) out += fill;
  out += self.text();
  for (std::int64_t i = 0; i < right; ++i) out += fill;
  return like(runtime, self, std::move(out));
}

enum class Align { kLeft, kRight, kCenter };
template <Align align>
Value justified(Runtime& runtime, const Value& self, const Args& args) {
  const Parameters given(args, "center", {"width", "fillchar"}, 1, Keywords::kForbidden);
  const std::int64_t width = index_of(given[0]);
  const std::string fill = given.has(1) ? string_of(given[1]) : " ";
  if (code_points(fill) != 1) fail_type("The fill character must be exactly one character long");
  const std::int64_t size = static_cast<std::int64_t>(self.as_string().length);
  const std::int64_t extra = width > size ? width - size : 0;
  runtime.budget.check_text(static_cast<std::size_t>(extra));
  if (align == Align::kLeft) return padded(runtime, self, 0, extra, fill);
  if (align == Align::kRight) return padded(runtime, self, extra, 0, fill);
  const std::int64_t left = extra / 2 + (extra & width & 1);
  return padded(runtime, self, left, extra - left, fill);
}

Value zfill(Runtime& runtime, const Value& self, const Args& args) {
  const Parameters given(args, "zfill", {"width"}, 1, Keywords::kForbidden);
  const std::int64_t extra = index_of(given[0]) - static_cast<std::int64_t>(self.as_string().length);
  if (extra <= 0) return self;
  runtime.budget.check_text(static_cast<std::size_t>(extra));
  const std::string& text = self.text();
  const std::size_t sign = !text.empty() && (text[0] == '+' || text[0] == '-') ? 1 : 0;
  return like(runtime, self,
              text.substr(0, sign) + std::string(static_cast<std::size_t>(extra), '0') + text.substr(sign));
}

Value expand_tabs(Runtime& runtime, const Value& self, const Args& args) {
  const Parameters given(args, "expandtabs", {"tabsize"}, 0);
  const std::int64_t size = given.integer(0, 8);
  std::string out;
  std::int64_t column = 0;
  const std::string& text = self.text();
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t start = i;
    const char32_t c = next_code_point(text, i);
    if (c == '\t') {
      const std::int64_t gap = size > 0 ? size - column % size : 0;
      runtime.budget.check_text(out.size() + static_cast<std::size_t>(gap));
      out.append(static_cast<std::size_t>(gap), ' ');
      column += gap;
      continue;
    }
    out.append(text, start, i - start);
    column = c == '\n' || c == '\r' ? 0 : column + 1;
  }
  return like(runtime, self, std::move(out));
}

Value replace_text(Runtime& runtime, const Value& self, const Args& args) {
  const Parameters given(args, "replace", {"old", "new", "count"}, 2, Keywords::kForbidden);
  const bool markup = self.as_string().markup;
  const Value fresh = markup ? escape(runtime, given[1]) : given[1];
  return like(
      runtime, self,
      replaced(runtime.budget, self.text(), string_of(given[0]), string_of(fresh), given.integer(2, -1)));
}

Value join_text(Runtime& runtime, const Value& self, const Args& args) {
  const Parameters given(args, "join", {"iterable"}, 1, Keywords::kForbidden);
  std::string out;
  bool first = true;
  for (const auto& item : runtime.collect(given[0])) {
    const Value part = self.as_string().markup ? escape(runtime, item) : item;
    if (!first) out += self.text();
    first = false;
    out += string_of(part);
    runtime.budget.check_text(out.size());
  }
  return like(runtime, self, std::move(out));
}

Value format_text(Runtime& runtime, const Value& self, const Args& args) {
  return brace_format(runtime, self, args);
}

Value format_map(Runtime& runtime, const Value& self, const Args& args) {
  const Parameters given(args, "format_map", {"mapping"}, 1, Keywords::kForbidden);
  Args named;
  if (!given[0].is(Kind::kDict)) fail_type("format_map() takes a mapping");
  for (const auto& [key, value] : given[0].as_dict().entries)
    if (key.is_string()) named.keywords.emplace_back(key.text(), value);
  return brace_format(runtime, self, named);
}

const std::map<std::string_view, Function>& methods() {
  static const std::map<std::string_view, Function> kMethods = {
      {"upper", cased<Casing::kUpper>},
      {"lower", cased<Casing::kLower>},
      {"title", cased<Casing::kTitle>},
      {"capitalize", cased<Casing::kCapitalize>},
      {"swapcase", cased<Casing::kSwap>},
      {"casefold", cased<Casing::kFold>},
      {"isalnum", asked<Class::kAlnum>},
      {"isalpha", asked<Class::kAlpha>},
      {"isascii", asked<Class::kAscii>},
      {"isdecimal", asked<Class::kDecimal>},
      {"isdigit", asked<Class::kDigit>},
      {"islower", asked<Class::kLower>},
      {"isnumeric", asked<Class::kNumeric>},
      {"isprintable", asked<Class::kPrintable>},
      {"isspace", asked<Class::kSpace>},
      {"istitle", asked<Class::kTitle>},
      {"isupper", asked<Class::kUpper>},
      {"isidentifier", is_identifier_method},
      {"strip", stripped<true, true>},
      {"lstrip", stripped<true, false>},
      {"rstrip", stripped<false, true>},
      {"find", found<false, false>},
      {"rfind", found<true, false>},
      {"index", found<false, true>},
      {"rindex", found<true, true>},
      {"count", count_text},
      {"startswith", affixed<true>},
      {"endswith", affixed<false>},
      {"removeprefix", affix_removed<true>},
      {"removesuffix", affix_removed<false>},
      {"ljust", justified<Align::kLeft>},
      {"rjust", justified<Align::kRight>},
      {"center", justified<Align::kCenter>},
      {"zfill", zfill},
      {"expandtabs", expand_tabs},
      {"replace", replace_text},
      {"join", join_text},
      {"format", format_text},
      {"format_map", format_map},
  };
  return kMethods;
}

}  // namespace

Function find_string_method(std::string_view name) {
  const auto it = methods().find(name);
  return it != methods().end() ? it->second : find_split_method(name);
}

}  // namespace attune::text::jinja
