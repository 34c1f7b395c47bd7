#include "text/jinja/value/value.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "text/jinja/value/unicode.h"

namespace attune::text::jinja {
namespace {

struct UndefinedData : Shared {
  std::string hint;
  FailureKind kind = FailureKind::kUndefined;
};

__extension__ using Wide = __int128;  // differences of 64-bit integers

constexpr std::size_t kLinearLookup = 8;  // up to here, comparing beats hashing

Value from_json_at(const core::Json& json, int depth) {
  if (depth > kMaxValueDepth) throw Failure(FailureKind::kLimit, "the data nest too deep");
  if (json.is_null()) return Value::none();
  if (json.is_boolean()) return Value::boolean(json.get<bool>());
  if (json.is_string()) return Value::string(json.get_ref<const std::string&>());
  if (json.is_number_unsigned() && json.get<std::uint64_t>() > std::numeric_limits<std::int64_t>::max())
    throw Failure(FailureKind::kValue,
                  fmt::format("the data hold an integer beyond 64 bits: {}", json.dump()));
  if (json.is_number_integer()) return Value::integer(json.get<std::int64_t>());
  if (json.is_number_float()) return Value::real(json.get<double>());
  if (json.is_array()) {
    std::vector<Value> items;
    items.reserve(json.size());
    for (const auto& item : json) items.push_back(from_json_at(item, depth + 1));
    return Value::list(std::move(items));
  }
  auto dict = std::make_shared<DictData>();
  for (auto item = json.begin(); item != json.end(); ++item) {
    Value value = from_json_at(item.value(), depth + 1);
    deepen(*dict, value);
    dict->set(Value::string(item.key()), std::move(value));
  }
  return Value(Kind::kDict, std::move(dict));
}

std::shared_ptr<ListData> list_data(std::vector<Value> items) {
  auto data = std::make_shared<ListData>();
  for (const auto& item : items) deepen(*data, item);
  data->items = std::move(items);
  return data;
}

}  // namespace

void deepen(Shared& shared, const Value& inner) {
  shared.depth = std::max(shared.depth, inner.depth() + 1);
  if (shared.depth > kMaxValueDepth)
    throw Failure(FailureKind::kLimit,
                  fmt::format("values are nested deeper than {} levels", kMaxValueDepth));
}

Value Value::boolean(bool value) {
  Value out(Kind::kBool);
  out.int_ = value;
  return out;
}

Value Value::integer(std::int64_t value) {
  Value out(Kind::kInt);
  out.int_ = value;
  return out;
}

Value Value::real(double value) {
  Value out(Kind::kFloat);
  out.float_ = value;
  return out;
}

Value Value::undefined(std::string hint, FailureKind kind) {
  auto data = std::make_shared<UndefinedData>();
  data->hint = std::move(hint);
  data->kind = kind;
  data->depth = 0;
  return Value(Kind::kUndefined, std::move(data));
}

Value Value::string(std::string text, bool markup) {
  auto data = std::make_shared<StringData>();
  data->length = code_points(text);
  data->text = std::move(text);
  data->markup = markup;
  data->depth = 0;
  return Value(Kind::kString, std::move(data));
}

Value Value::list(std::vector<Value> items) { return Value(Kind::kList, list_data(std::move(items))); }
Value Value::tuple(std::vector<Value> items) { return Value(Kind::kTuple, list_data(std::move(items))); }

const StringData& Value::as_string() const { return static_cast<const StringData&>(*data_); }
const std::string& Value::text() const { return as_string().text; }
const std::vector<Value>& Value::items() const { return static_cast<const ListData&>(*data_).items; }
const DictData& Value::as_dict() const { return static_cast<const DictData&>(*data_); }
const RangeData& Value::as_range() const { return static_cast<const RangeData&>(*data_); }
const ViewData& Value::as_view() const { return static_cast<const ViewData&>(*data_); }
Iterator& Value::as_iterator() const { return static_cast<Iterator&>(*data_); }
Object& Value::as_object() const { return static_cast<Object&>(*data_); }

void Value::fail_undefined() const {
  if (!data_) throw Failure(FailureKind::kUndefined, "the value is undefined");
  const auto& undefined = static_cast<const UndefinedData&>(*data_);
  throw Failure(undefined.kind, undefined.hint);
}

void DictData::set(Value key, Value value) {
  const std::size_t hash = hash_of(key);
  if (const std::size_t at = position(key); at < entries.size()) {
    entries[at].second = std::move(value);
    return;
  }
  entries.emplace_back(std::move(key), std::move(value));
  if (entries.size() == kLinearLookup + 1) {
    for (std::size_t i = 0; i < entries.size(); ++i) index_.emplace(hash_of(entries[i].first), i);
  } else if (entries.size() > kLinearLookup) {
    index_.emplace(hash, entries.size() - 1);
  }
}

std::size_t DictData::position(const Value& key) const {
  if (index_.empty()) {
    std::size_t at = 0;
    while (at < entries.size() && !same_key(entries[at].first, key)) ++at;
    return at;
  }
  const auto [first, last] = index_.equal_range(hash_of(key));
  for (auto it = first; it != last; ++it)
    if (same_key(entries[it->second].first, key)) return it->second;
  return entries.size();
}

const Value* DictData::find(const Value& key) const {
  if (key.is(Kind::kList) || key.is(Kind::kDict)) hash_of(key);  // raises
  const std::size_t at = position(key);
  return at < entries.size() ? &entries[at].second : nullptr;
}

const Value* DictData::find(std::string_view key) const {
  const auto matches = [&](std::size_t at) {
    return entries[at].first.is_string() && entries[at].first.text() == key;
  };
  if (index_.empty()) {
    for (std::size_t at = 0; at < entries.size(); ++at)
      if (matches(at)) return &entries[at].second;
    return nullptr;
  }
  const auto [first, last] = index_.equal_range(std::hash<std::string_view>()(key));
  for (auto it = first; it != last; ++it)
    if (matches(it->second)) return &entries[it->second].second;
  return nullptr;
}

std::int64_t RangeData::size() const {
  const Wide span = step > 0 ? Wide{stop} - start : Wide{start} - stop;
  const Wide stride = step > 0 ? Wide{step} : -Wide{step};
  return span > 0 ? static_cast<std::int64_t>(std::min<Wide>((span - 1) / stride + 1, INT64_MAX)) : 0;
}

std::int64_t RangeData::at(std::int64_t index) const {  // wraps: an end may lie beyond 64 bits
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(start) +
                                   static_cast<std::uint64_t>(index) * static_cast<std::uint64_t>(step));
}

bool RangeData::contains(std::int64_t number) const {
  const Wide offset = Wide{number} - start;
  return offset % step == 0 && offset / step >= 0 && offset / step < size();
}

Value ViewData::at(std::size_t index) const {
  const auto& entry = dict.as_dict().entries[index];
  if (view == ViewKind::kKeys) return entry.first;
  if (view == ViewKind::kValues) return entry.second;
  return Value::tuple({entry.first, entry.second});
}

Value Object::attribute(Runtime&, std::string_view) { return Value::missing(); }

Value Object::call(Runtime&, Args&) {
  throw Failure(FailureKind::kType, fmt::format("'{}' object is not callable", type_name()));
}

std::optional<std::int64_t> Object::length(Runtime&) { return std::nullopt; }

std::string Object::text_form(Runtime&) const { return fmt::format("<{} object>", type_name()); }

const Value* Args::keyword(std::string_view name) const {
  for (const auto& [key, value] : keywords)
    if (key == name) return &value;
  return nullptr;
}

const char* type_name(const Value& value) {
  static constexpr const char* kViews[] = {"dict_keys", "dict_values", "dict_items"};
  switch (value.kind()) {
    case Kind::kMissing:
    case Kind::kUndefined:
      return "Undefined";
    case Kind::kNone:
      return "NoneType";
    case Kind::kBool:
      return "bool";
    case Kind::kInt:
      return "int";
    case Kind::kFloat:
      return "float";
    case Kind::kString:
      return value.as_string().markup ? "Markup" : "str";
    case Kind::kList:
      return "list";
    case Kind::kTuple:
      return "tuple";
    case Kind::kDict:
      return "dict";
    case Kind::kRange:
      return "range";
    case Kind::kView:
      return kViews[static_cast<int>(value.as_view().view)];
    case Kind::kIterator:
      return value.as_iterator().type_name();
    case Kind::kObject:
      return value.as_object().type_name();
  }
  return "object";
}

bool truthy(const Value& value) {
  switch (value.kind()) {
    case Kind::kMissing:
    case Kind::kUndefined:
    case Kind::kNone:
      return false;
    case Kind::kBool:
    case Kind::kInt:
      return value.as_int() != 0;
    case Kind::kFloat:
      return value.as_float() != 0;
    case Kind::kString:
      return !value.text().empty();
    case Kind::kList:
    case Kind::kTuple:
      return !value.items().empty();
    case Kind::kDict:
      return !value.as_dict().entries.empty();
    case Kind::kRange:
      return value.as_range().size() != 0;
    case Kind::kView:
      return !value.as_view().dict.as_dict().entries.empty();
    default:
      return true;
  }
}

Value from_json(const core::Json& json) { return from_json_at(json, 0); }

Value make_sequence(Budget& budget, Kind kind, std::vector<Value> items) {
  budget.check_items(items.size());
  budget.allocate(sizeof(ListData) + items.size() * sizeof(Value));
  return Value(kind, list_data(std::move(items)));
}

Value make_string(Budget& budget, std::string text, bool markup) {
  budget.check_text(text.size());
  budget.allocate(sizeof(StringData) + text.size());
  budget.work(text.size());
  return Value::string(std::move(text), markup);
}

Value make_dict(Budget& budget, std::shared_ptr<DictData> dict) {
  budget.check_items(dict->entries.size());
  budget.allocate(sizeof(DictData) + dict->entries.size() * 4 * sizeof(Value));
  for (const auto& [key, value] : dict->entries) {
    deepen(*dict, key);
    deepen(*dict, value);
  }
  return Value(Kind::kDict, std::move(dict));
}

}  // namespace attune::text::jinja
