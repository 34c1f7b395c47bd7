// The global functions of the environment.
#include <sys/time.h>

#include <ctime>
#include <map>

#include <fmt/format.h>

#include "text/jinja/value/runtime.h"

namespace attune::text::jinja {
namespace {

/// A global function; stateless, shared by all renderings.
class GlobalFunction : public Object {
 public:
  GlobalFunction(const char* name, Function function) : name_(name), function_(function) {}
  const char* type_name() const override { return "function"; }
  bool callable() const override { return true; }
  Value call(Runtime& runtime, Args& args) override { return function_(runtime, Value::none(), args); }
  Value attribute(Runtime&, std::string_view name) override {
    const bool from_keys = std::string_view(name_) == "dict" && name == "fromkeys";
    return from_keys ? bound_method(Value::none(), "fromkeys", find_container_method(Kind::kDict, "fromkeys"))
                     : Value::missing();
  }
  std::string text_form(Runtime&) const override { return fmt::format("<function {}>", name_); }

 private:
  const char* name_;
  Function function_;
};

class Namespace : public Emptied {
 public:
  explicit Namespace(std::shared_ptr<DictData> attributes) : attributes_(std::move(attributes)) {}
  const char* type_name() const override { return "TemplateNamespace"; }
  Value attribute(Runtime&, std::string_view name) override {
    const Value* found = attributes_->find(name);
    return found ? *found : Value::missing();
  }
  void set(const std::string& name, Value value) { attributes_->set(Value::string(name), std::move(value)); }
  std::string text_form(Runtime& runtime) const override {
    return "<Namespace " + repr_of(runtime, Value(Kind::kDict, attributes_)) + ">";
  }
  void empty() override { attributes_->entries.clear(); }

 private:
  std::shared_ptr<DictData> attributes_;
};

[[noreturn]] void fail_underscore(const std::string& name) {
  throw Failure(
      FailureKind::kSecurity,
      fmt::format("Chat templates cannot store underscore-prefixed attributes on a namespace, but got '{}'. "
                  "Please rename the attribute.",
                  name));
}

class Cycler : public Object {
 public:
  explicit Cycler(std::vector<Value> items) : items_(std::move(items)) {
    for (const auto& item : items_) deepen(*this, item);
  }
  const char* type_name() const override { return "Cycler"; }
  Value attribute(Runtime& runtime, std::string_view name) override {
    if (name == "current") return items_[at_];
    if (name == "pos") return Value::integer(static_cast<std::int64_t>(at_));
    if (name == "items") return runtime.tuple(items_);
    const Value self(Kind::kObject, shared_from_this());
    if (name == "next")
      return bound_method(self, "next", [](Runtime&, const Value& cycler, const Args& args) {
        const Parameters none(args, "next", {}, 0);
        return cycler.object<Cycler>()->next();
      });
    if (name == "reset")
      return bound_method(self, "reset", [](Runtime&, const Value& cycler, const Args& args) {
        const Parameters none(args, "reset", {}, 0);
        cycler.object<Cycler>()->at_ = 0;
        return Value::none();
      });
    return Value::missing();
  }

 private:
  Value next() {
    const Value out = items_[at_];
    at_ = (at_ + 1) % items_.size();
    return out;
  }
  std::vector<Value> items_;
  std::size_t at_ = 0;
};

class Joiner : public Object {
 public:
  explicit Joiner(Value separator) : separator_(std::move(separator)) { deepen(*this, separator_); }
  const char* type_name() const override { return "Joiner"; }
  bool callable() const override { return true; }
  Value call(Runtime& runtime, Args& args) override {
    const Parameters none(args, "joiner", {}, 0);
    return std::exchange(used_, true) ? separator_ : runtime.string("");
  }
  Value attribute(Runtime&, std::string_view name) override {
    if (name == "sep") return separator_;
    return name == "used" ? Value::boolean(used_) : Value::missing();
  }

 private:
  Value separator_;
  bool used_ = false;
};

Value range(Runtime&, const Value&, const Args& args) {
  const Parameters given(args, "range", {"start", "stop", "step"}, 1, Parameters::Keywords::kForbidden);
  auto data = std::make_shared<RangeData>();
  data->start = given.has(1) ? index_of(given[0]) : 0;
  data->stop = index_of(given[given.has(1) ? 1 : 0]);
  data->step = given.integer(2, 1);
  data->depth = 0;
  if (data->step == 0) fail_value("range() arg 3 must not be zero");
  if (data->size() > kMaxRange)
    throw Failure(FailureKind::kOverflow, fmt::format("Range too big. The sandbox blocks ranges larger than "
                                                      "MAX_RANGE ({}).",
                                                      kMaxRange));
  return Value(Kind::kRange, std::move(data));
}

std::shared_ptr<DictData> dict_of(Runtime& runtime, const Args& args) {
  if (args.positional.size() > 1) fail_type("dict expected at most 1 argument");
  auto dict = std::make_shared<DictData>();
  if (!args.positional.empty()) {
    const Value& source = args.positional[0];
    if (source.is(Kind::kDict)) {
      for (const auto& [key, value] : source.as_dict().entries) dict->set(key, value);
    } else {
      for (const auto& pair : runtime.collect(source)) {
        const auto parts = runtime.collect(pair);
        if (parts.size() != 2) fail_value("dictionary update sequence element has no length 2");
        dict->set(parts[0], parts[1]);
      }
    }
  }
  for (const auto& [key, value] : args.keywords) dict->set(runtime.string(key), value);
  return dict;
}

Value dict(Runtime& runtime, const Value&, const Args& args) {
  return make_dict(runtime.budget, dict_of(runtime, args));
}

Value make_namespace(Runtime& runtime, const Value&, const Args& args) {
  auto attributes = dict_of(runtime, args);
  for (const auto& [key, value] : attributes->entries)
    if (key.is_string() && key.text().substr(0, 1) == "_") fail_underscore(key.text());
  auto object = std::make_shared<Namespace>(std::move(attributes));
  runtime.keep(object);
  return Value(Kind::kObject, std::move(object));
}

Value joiner(Runtime& runtime, const Value&, const Args& args) {
  const Parameters given(args, "joiner", {"sep"}, 0);
  return Value(Kind::kObject, std::make_shared<Joiner>(given.get(0, runtime.string(", "))));
}

Value cycler(Runtime&, const Value&, const Args& args) {
  if (!args.keywords.empty()) fail_type("cycler() takes no keyword arguments");
  if (args.positional.empty()) throw Failure(FailureKind::kTemplate, "at least one item has to be provided");
  return Value(Kind::kObject, std::make_shared<Cycler>(args.positional));
}

Value raise_exception(Runtime& runtime, const Value&, const Args& args) {
  const Parameters given(args, "raise_exception", {"message"}, 1);
  throw Failure(FailureKind::kTemplate, text_of(runtime, given[0]));
}

/// datetime.now().strftime(format)
Value strftime_now(Runtime& runtime, const Value&, const Args& args) {
  const Parameters given(args, "strftime_now", {"format"}, 1);
  timeval now{};
  gettimeofday(&now, nullptr);
  std::tm local{};
  localtime_r(&now.tv_sec, &local);
  std::string format;
  const std::string& given_format = string_of(given[0]);
  for (std::size_t i = 0; i < given_format.size();
       ++i) {  // what Python itself fills in for a time without zone
    const char next = given_format[i] == '%' && i + 1 < given_format.size() ? given_format[i + 1] : '\0';
    if (next == 'f')
      format += fmt::format("{:06}", now.tv_usec);
    else if (next == '%')
      format += "%%";
    else if (next != 'z' && next != 'Z') {
      format += given_format[i];
      continue;
    }
    ++i;
  }
  if (format.empty()) return runtime.string("");
  std::string out(format.size() * 8 + 256, '\0');
  runtime.budget.check_text(out.size());
  out.resize(std::strftime(out.data(), out.size(), format.c_str(), &local));
  return runtime.string(std::move(out));
}

Value lipsum(Runtime&, const Value&, const Args&) {
  throw Failure(FailureKind::kUnsupported, "lipsum() is not supported in chat templates");
}

std::map<std::string_view, Value> all_globals() {
  std::map<std::string_view, Value> table;
  const auto add = [&](const char* name, Function function) {
    table.emplace(name, Value(Kind::kObject, std::make_shared<GlobalFunction>(name, function)));
  };
  add("range", range);
  add("dict", dict);
  add("namespace", make_namespace);
  add("joiner", joiner);
  add("cycler", cycler);
  add("raise_exception", raise_exception);
  add("strftime_now", strftime_now);
  add("lipsum", lipsum);
  return table;
}

}  // namespace

Value find_global(std::string_view name) {
  static const std::map<std::string_view, Value> kTable = all_globals();
  const auto it = kTable.find(name);
  return it == kTable.end() ? Value::missing() : it->second;
}

bool is_namespace(const Value& value) { return value.object<Namespace>() != nullptr; }

void set_namespace_attribute(const Value& target, const std::string& name, Value value) {
  if (name.substr(0, 1) == "_") fail_underscore(name);
  target.object<Namespace>()->set(name, std::move(value));
}

}  // namespace attune::text::jinja
