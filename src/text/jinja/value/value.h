// Values of the Jinja interpreter: Python's types as far as templates can meet them.
//
// Lists, tuples, dicts and strings never change after they are made (the sandbox forbids it), so values share
// them freely. What can change (namespaces, cyclers, lazy sequences) is an Object with its own behaviour.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/json.h"
#include "text/jinja/value/limits.h"

namespace attune::text::jinja {

enum class Kind : std::uint8_t {
  kMissing,    ///< no value at all: a variable that was never set (templates see it as undefined)
  kUndefined,  ///< jinja2's Undefined
  kNone,
  kBool,
  kInt,
  kFloat,
  kString,
  kList,
  kTuple,
  kDict,
  kRange,
  kView,      ///< dict.keys(), dict.values(), dict.items()
  kIterator,  ///< a lazy sequence that is used up by reading it
  kObject,    ///< functions, methods, macros, namespaces, loops, …
};

class Runtime;
class Value;
struct Args;

/// Base of what values share.
struct Shared : std::enable_shared_from_this<Shared> {
  virtual ~Shared() = default;
  int depth = 1;  ///< levels of values inside each other
};

struct StringData;
struct ListData;
struct DictData;
struct RangeData;
struct ViewData;
class Iterator;
class Object;

class Value {
 public:
  Value() = default;  ///< undefined
  static Value missing() { return Value(Kind::kMissing); }
  static Value none() { return Value(Kind::kNone); }
  static Value boolean(bool value);
  static Value integer(std::int64_t value);
  static Value real(double value);
  /// `hint` is the message of the error that its use raises.
  static Value undefined(std::string hint, FailureKind kind = FailureKind::kUndefined);
  static Value string(std::string text, bool markup = false);
  static Value list(std::vector<Value> items);
  static Value tuple(std::vector<Value> items);
  Value(Kind kind, std::shared_ptr<Shared> data) : kind_(kind), data_(std::move(data)) {}

  Kind kind() const { return kind_; }
  bool is(Kind kind) const { return kind_ == kind; }
  bool is_string() const { return kind_ == Kind::kString; }
  bool is_undefined() const { return kind_ == Kind::kUndefined || kind_ == Kind::kMissing; }
  /// int or bool: what Python accepts as an index.
  bool is_integral() const { return kind_ == Kind::kInt || kind_ == Kind::kBool; }
  bool is_number() const { return is_integral() || kind_ == Kind::kFloat; }
  bool is_sequence() const { return kind_ == Kind::kList || kind_ == Kind::kTuple; }

  bool as_bool() const { return int_ != 0; }
  std::int64_t as_int() const { return int_; }  ///< kInt, kBool
  double as_float() const { return kind_ == Kind::kFloat ? float_ : static_cast<double>(int_); }
  const StringData& as_string() const;
  const std::string& text() const;          ///< of a string
  const std::vector<Value>& items() const;  ///< of a list or tuple
  const DictData& as_dict() const;
  const RangeData& as_range() const;
  const ViewData& as_view() const;
  Iterator& as_iterator() const;
  Object& as_object() const;
  template <class T>
  T* object() const {
    return kind_ == Kind::kObject ? dynamic_cast<T*>(data_.get()) : nullptr;
  }
  const std::shared_ptr<Shared>& data() const { return data_; }
  /// Levels of values inside this one, itself included; 0 for scalars.
  int depth() const { return data_ ? data_->depth : 0; }
  /// Raises the error that the use of this undefined value is.
  [[noreturn]] void fail_undefined() const;

 private:
  explicit Value(Kind kind) : kind_(kind) {}
  Kind kind_ = Kind::kUndefined;
  union {
    std::int64_t int_ = 0;
    double float_;
  };
  std::shared_ptr<Shared> data_;
};

struct StringData : Shared {
  std::string text;        ///< UTF-8
  std::size_t length = 0;  ///< code points
  bool markup = false;     ///< markupsafe.Markup: made by `safe` and `escape`
  bool ascii() const { return length == text.size(); }
};

struct ListData : Shared {
  std::vector<Value> items;
  bool group = false;  ///< a tuple of `groupby`, with attributes `grouper` and `list`
};

/// A dict in the order of insertion.
struct DictData : Shared {
  std::vector<std::pair<Value, Value>> entries;
  /// Sets or replaces. @throws Failure{kType} for a key that cannot be hashed.
  void set(Value key, Value value);
  const Value* find(const Value& key) const;
  const Value* find(std::string_view key) const;

 private:
  std::size_t position(const Value& key) const;
  std::unordered_multimap<std::size_t, std::size_t> index_;  ///< hash to position; only for large dicts
};

struct RangeData : Shared {
  std::int64_t start = 0, stop = 0, step = 1;
  std::int64_t size() const;
  std::int64_t at(std::int64_t index) const;
  bool contains(std::int64_t number) const;
};

enum class ViewKind { kKeys, kValues, kItems };
struct ViewData : Shared {
  Value dict;
  ViewKind view = ViewKind::kKeys;
  Value at(std::size_t index) const;
};

/// A lazy sequence.
class Iterator : public Shared {
 public:
  /// Puts the next item into `item`; false at the end.
  virtual bool next(Runtime& runtime, Value& item) = 0;
  virtual const char* type_name() const { return "generator"; }
};

/// Anything with its own behaviour.
class Object : public Shared {
 public:
  virtual const char* type_name() const = 0;
  /// The Python attribute, or kMissing.
  virtual Value attribute(Runtime& runtime, std::string_view name);
  virtual bool callable() const { return false; }
  virtual Value call(Runtime& runtime, Args& args);
  virtual std::string text_form(Runtime& runtime) const;
  /// len(), if it has one.
  virtual std::optional<std::int64_t> length(Runtime& runtime);
};

/// Arguments of a call, in order.
struct Args {
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> keywords;
  const Value* keyword(std::string_view name) const;
};

/// Name of the Python type, as its messages write it.
const char* type_name(const Value& value);
bool truthy(const Value& value);
/// Converts JSON. @throws Failure{kValue} for integers beyond 64 bits, {kLimit} for nesting beyond the bound.
Value from_json(const core::Json& json);
/// A new list or tuple; checks size and depth.
Value make_sequence(Budget& budget, Kind kind, std::vector<Value> items);
Value make_string(Budget& budget, std::string text, bool markup = false);
/// Finishes a dict: checks depth.
Value make_dict(Budget& budget, std::shared_ptr<DictData> dict);
/// Sets `shared.depth` from what it holds. @throws Failure{kLimit}
void deepen(Shared& shared, const Value& inner);

bool equal(Budget& budget, const Value& left, const Value& right);
/// Equality for dict keys and sets: scalars and tuples of them.
bool same_key(const Value& left, const Value& right);
/// @throws Failure{kType} for lists and dicts.
std::size_t hash_of(const Value& value);

}  // namespace attune::text::jinja
