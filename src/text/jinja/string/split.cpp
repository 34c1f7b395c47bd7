#include "text/jinja/string/split.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "text/jinja/value/unicode.h"

namespace attune::text::jinja {
namespace {

using Keywords = Parameters::Keywords;
using Pieces = std::vector<std::string_view>;

Value as_list(Runtime& runtime, const Value& self, const Pieces& pieces) {
  std::vector<Value> items;
  runtime.budget.check_items(pieces.size());
  items.reserve(pieces.size());
  for (const auto piece : pieces)
    items.push_back(runtime.string(std::string(piece), self.as_string().markup));
  return runtime.list(std::move(items));
}

/// Words between white space, at most `limit` cuts, the rest unchanged.
Pieces split_words(std::string_view text, std::int64_t limit) {
  Pieces pieces;
  std::string_view rest = strip(text, nullptr, true, false);
  while (!rest.empty()) {
    if (limit-- == 0) {
      pieces.push_back(strip(rest, nullptr, false, true));
      break;
    }
    std::size_t end = 0;
    for (std::size_t i = 0; i < rest.size(); end = i)
      if (is_space(next_code_point(rest, i))) break;
    pieces.push_back(rest.substr(0, end));
    rest = strip(rest.substr(end), nullptr, true, false);
  }
  return pieces;
}

Pieces split_words_right(std::string_view text, std::int64_t limit) {
  Pieces pieces;
  std::string_view rest = strip(text, nullptr, false, true);
  while (!rest.empty()) {
    if (limit-- == 0) {
      pieces.push_back(strip(rest, nullptr, true, false));
      break;
    }
    std::size_t start = rest.size();
    for (std::size_t i = start; i > 0; start = i)
      if (is_space(previous_code_point(rest, i))) break;
    pieces.push_back(rest.substr(start));
    rest = strip(rest.substr(0, start), nullptr, false, true);
  }
  std::reverse(pieces.begin(), pieces.end());
  return pieces;
}

Pieces split_at(std::string_view text, std::string_view separator, std::int64_t limit) {
  Pieces pieces;
  std::size_t start = 0;
  for (std::size_t at; limit-- != 0 && (at = find_first(text, separator, start)) != std::string_view::npos;) {
    pieces.push_back(text.substr(start, at - start));
    start = at + separator.size();
  }
  pieces.push_back(text.substr(start));
  return pieces;
}

/// From the right: the same as from the left on reversed bytes, which keeps the search linear.
Pieces split_at_right(std::string_view text, std::string_view separator, std::int64_t limit) {
  const std::string backwards(text.rbegin(), text.rend());
  const Pieces reversed = split_at(backwards, std::string(separator.rbegin(), separator.rend()), limit);
  Pieces pieces;
  for (auto piece = reversed.rbegin(); piece != reversed.rend(); ++piece) {
    const auto start = static_cast<std::size_t>(piece->data() - backwards.data());
    pieces.push_back(text.substr(text.size() - start - piece->size(), piece->size()));
  }
  return pieces;
}

template <bool from_right>
Value split(Runtime& runtime, const Value& self, const Args& args) {
  const Parameters given(args, "split", {"sep", "maxsplit"}, 0);
  const std::int64_t limit = given.integer(1, -1);
  const std::string& text = self.text();
  runtime.budget.work(text.size() * 2);
  if (!given.some(0))
    return as_list(runtime, self, from_right ? split_words_right(text, limit) : split_words(text, limit));
  const std::string& separator = string_of(given[0]);
  if (separator.empty()) fail_value("empty separator");
  return as_list(runtime, self,
                 from_right ? split_at_right(text, separator, limit) : split_at(text, separator, limit));
}

Value split_lines_method(Runtime& runtime, const Value& self, const Args& args) {
  const Parameters given(args, "splitlines", {"keepends"}, 0);
  return as_list(runtime, self, split_lines(self.text(), given.has(0) && index_of(given[0]) != 0));
}

template <bool from_right>
Value partition(Runtime& runtime, const Value& self, const Args& args) {
  const Parameters given(args, "partition", {"sep"}, 1, Keywords::kForbidden);
  const std::string& separator = string_of(given[0]);
  if (separator.empty()) fail_value("empty separator");
  const std::string& text = self.text();
  const bool markup = self.as_string().markup;
  const auto part = [&](std::string piece) { return runtime.string(std::move(piece), markup); };
  const std::size_t at = from_right ? find_last(text, separator) : find_first(text, separator, 0);
  if (at == std::string::npos)
    return from_right ? runtime.tuple({part(""), part(""), part(text)})
                      : runtime.tuple({part(text), part(""), part("")});
  return runtime.tuple({part(text.substr(0, at)), part(separator), part(text.substr(at + separator.size()))});
}

}  // namespace

std::size_t find_first(std::string_view text, std::string_view what, std::size_t from) {
  if (from > text.size()) return std::string_view::npos;
  const void* place = memmem(text.data() + from, text.size() - from, what.data(), what.size());
  if (!place) return std::string_view::npos;
  return static_cast<std::size_t>(static_cast<const char*>(place) - text.data());
}

std::size_t find_last(std::string_view text, std::string_view what) {
  const std::string backwards(text.rbegin(), text.rend());
  const std::size_t at = find_first(backwards, std::string(what.rbegin(), what.rend()), 0);
  return at == std::string_view::npos ? at : text.size() - at - what.size();
}

std::string replaced(Budget& budget, const std::string& text, const std::string& old,
                     const std::string& fresh, std::int64_t count) {
  std::string out;
  budget.work(text.size());
  if (count < 0) count = std::numeric_limits<std::int64_t>::max();
  std::size_t start = 0;
  while (old.empty() && count-- > 0) {  // between all characters, and at both ends
    out += fresh;
    budget.check_text(out.size());
    if (start == text.size()) return out;
    const std::size_t from = start;
    next_code_point(text, start);
    out.append(text, from, start - from);
  }
  while (!old.empty() && count-- > 0) {
    const std::size_t at = find_first(text, old, start);
    if (at == std::string::npos) break;
    out.append(text, start, at - start) += fresh;
    budget.check_text(out.size());
    start = at + old.size();
  }
  return out.append(text, start, std::string::npos);
}

Function find_split_method(std::string_view name) {
  if (name == "split") return split<false>;
  if (name == "rsplit") return split<true>;
  if (name == "splitlines") return split_lines_method;
  if (name == "partition") return partition<false>;
  if (name == "rpartition") return partition<true>;
  return nullptr;
}

}  // namespace attune::text::jinja
