#include "core/config/value.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>

#include "core/error.h"

namespace attune::core {
namespace {

constexpr int kMaxKeyDepth = 64;

std::string cut(const std::string& text, std::size_t limit) {
  if (text.size() <= limit) return text;
  std::size_t end = limit;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;  // not inside a character
  return text.substr(0, end) + "…";
}

bool parse_integer(std::string_view text, Json& out) {
  const bool negative = !text.empty() && text[0] == '-';
  std::string_view digits = text;
  if (!digits.empty() && (digits[0] == '-' || digits[0] == '+')) digits.remove_prefix(1);
  int base = 10;
  if (digits.size() > 2 && digits[0] == '0' && (digits[1] == 'x' || digits[1] == 'o') &&
      digits.size() == text.size()) {
    base = digits[1] == 'x' ? 16 : 8;
    digits.remove_prefix(2);
  }
  std::uint64_t magnitude = 0;
  const auto [end, code] = std::from_chars(digits.data(), digits.data() + digits.size(), magnitude, base);
  if (code != std::errc() || end != digits.data() + digits.size() || digits.empty()) return false;
  constexpr std::uint64_t kLimit = std::uint64_t{1} << 63;
  if (negative && magnitude > kLimit) return false;
  if (negative) {
    out = static_cast<std::int64_t>(~magnitude + 1);
  } else if (magnitude < kLimit) {
    out = static_cast<std::int64_t>(magnitude);
  } else {
    out = magnitude;
  }
  return true;
}

bool parse_float(std::string_view text, Json& out) {
  if (text == ".nan" || text == ".NaN" || text == ".NAN") return out = std::nan(""), true;
  std::string_view body = text;
  if (!body.empty() && (body[0] == '-' || body[0] == '+')) body.remove_prefix(1);
  if (body == ".inf" || body == ".Inf" || body == ".INF")
    return out = text[0] == '-' ? -INFINITY : INFINITY, true;
  const bool starts = !body.empty() && (std::isdigit(static_cast<unsigned char>(body[0])) || body[0] == '.');
  if (!starts || body.find_first_not_of("0123456789.eE+-") != std::string_view::npos || body == ".")
    return false;
  double number = 0;
  const auto [end, code] = std::from_chars(body.data(), body.data() + body.size(), number);
  if (end != body.data() + body.size() || code == std::errc::invalid_argument) return false;
  if (code == std::errc::result_out_of_range) {
    // Too large is an infinity, too small a zero: the exponent's sign tells them apart.
    const auto exponent = body.find_first_of("eE");
    number = exponent != std::string_view::npos && body[exponent + 1] == '-' ? 0.0 : INFINITY;
  }
  out = text[0] == '-' ? -number : number;
  return true;
}

}  // namespace

Json resolve_scalar(const std::string& text) {
  if (text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL") return nullptr;
  if (text == "true" || text == "True" || text == "TRUE") return true;
  if (text == "false" || text == "False" || text == "FALSE") return false;
  Json number;
  if (parse_integer(text, number) || parse_float(text, number)) return number;
  return text;
}

Value Value::scalar(std::string text, bool quoted, std::string place) {
  Value value;
  value.kind_ = Kind::kScalar;
  value.text_ = std::move(text);
  value.quoted_ = quoted;
  value.place_ = std::move(place);
  return value;
}

Value Value::list(std::vector<Value> items, std::string place) {
  Value value;
  value.kind_ = Kind::kList;
  value.items_ = std::move(items);
  value.place_ = std::move(place);
  return value;
}

Value Value::map(std::vector<std::pair<std::string, Value>> entries, std::string place) {
  Value value;
  value.kind_ = Kind::kMap;
  value.entries_ = std::move(entries);
  value.place_ = std::move(place);
  return value;
}

Value Value::null(std::string place) {
  Value value;
  value.place_ = std::move(place);
  return value;
}

Value Value::from_json(const Json& json, const std::string& place) {
  if (json.is_object()) {
    Value value = map({}, place);
    for (const auto& [key, item] : json.items()) value.entries_.emplace_back(key, from_json(item, place));
    return value;
  }
  if (json.is_array()) {
    Value value = list({}, place);
    for (const auto& item : json) value.items_.push_back(from_json(item, place));
    return value;
  }
  if (json.is_string()) return scalar(json.get<std::string>(), true, place);
  if (json.is_null() || (json.is_number_float() && !std::isfinite(json.get<double>()))) return null(place);
  return scalar(json.dump(), false, place);
}

const Value* Value::find(std::string_view key) const {
  for (const auto& [name, value] : entries_) {
    if (name == key) return &value;
  }
  return nullptr;
}

void Value::set(std::string_view key, Value value, const FirstField& first) {
  if (std::count(key.begin(), key.end(), '.') >= kMaxKeyDepth)
    fail_request("{}: the key is nested too deeply", value.place());
  Value* node = this;
  for (std::size_t start = 0;;) {
    // What stands here as a short form becomes the map that it stands for.
    if (node->is_scalar() || node->is_list()) {
      const std::string_view path = key.substr(0, start == 0 ? 0 : start - 1);
      const std::string name = first ? first(path) : "";
      if (name.empty())
        fail_request("{}: '{}' is a single value and has no '{}'", value.place(), path, key.substr(start));
      Value inner = std::move(*node);
      *node = map({}, inner.place());
      node->entries_.emplace_back(name, std::move(inner));
    } else if (node->is_null()) {
      *node = map({}, value.place());
    }
    const std::size_t dot = std::min(key.find('.', start), key.size());
    const std::string name(key.substr(start, dot - start));
    const auto found = std::find_if(node->entries_.begin(), node->entries_.end(),
                                    [&](const auto& entry) { return entry.first == name; });
    Value old;
    if (found != node->entries_.end()) {
      old = std::move(found->second);
      node->entries_.erase(found);
    }
    node->entries_.emplace_back(name, std::move(old));
    node = &node->entries_.back().second;
    if (dot == key.size()) break;
    start = dot + 1;
  }
  const std::string short_name =
      node->is_map() && !value.is_map() && !value.is_null() && first ? first(key) : "";
  if (short_name.empty()) {
    *node = std::move(value);
  } else {
    node->set(short_name, std::move(value));
  }
}

Json Value::to_json() const {
  switch (kind_) {
    case Kind::kNull:
      return nullptr;
    case Kind::kScalar:
      return quoted_ ? Json(text_) : resolve_scalar(text_);
    case Kind::kList: {
      Json out = Json::array();
      for (const Value& item : items_) out.push_back(item.to_json());
      return out;
    }
    case Kind::kMap:
      break;
  }
  Json out = Json::object();
  for (const auto& [key, item] : entries_) out.push_back({key, item.to_json()});
  return out;
}

std::string Value::described() const {
  switch (kind_) {
    case Kind::kNull:
      return "nothing (null)";
    case Kind::kList:
      return fmt::format("a list of {}", items_.size());
    case Kind::kMap:
      return "a map";
    case Kind::kScalar:
      break;
  }
  const Json json = to_json();
  if (json.is_number()) return "the number " + cut(text_, 40);
  if (json.is_boolean()) return "'" + text_ + "'";
  return fmt::format("the string '{}'", cut(text_, 60));
}

}  // namespace attune::core
