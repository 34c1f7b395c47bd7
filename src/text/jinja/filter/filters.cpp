#include "text/jinja/filter/filters.h"

#include <fmt/format.h>

#include "text/jinja/value/unicode.h"

namespace attune::text::jinja {
namespace {

/// Filters of jinja2 that no chat template uses: known by name, refused when they run.
Value refuse(Runtime&, const Value&, const Args&) {
  throw Failure(FailureKind::kUnsupported, "this filter is not supported in chat templates");
}

FunctionTable all_filters() {
  FunctionTable table;
  add_text_filters(table);
  add_number_filters(table);
  add_sequence_filters(table);
  add_selection_filters(table);
  for (const char* name : {"pprint", "random", "striptags", "urlize", "wordwrap", "xmlattr"})
    table.emplace(name, refuse);
  return table;
}

}  // namespace

Function find_filter(std::string_view name) {
  static const FunctionTable kTable = all_filters();
  const auto it = kTable.find(name);
  return it == kTable.end() ? nullptr : it->second;
}

Value run_filter(Runtime& runtime, const std::string& name, const Value& input, const Args& args) {
  const Function function = find_filter(name);
  if (!function) throw Failure(FailureKind::kTemplate, fmt::format("No filter named '{}'.", name));
  runtime.budget.step();
  return function(runtime, input, args);
}

bool run_test(Runtime& runtime, const std::string& name, const Value& input, const Args& args) {
  const Function function = find_test(name);
  if (!function) throw Failure(FailureKind::kTemplate, fmt::format("No test named '{}'.", name));
  runtime.budget.step();
  return truthy(function(runtime, input, args));
}

AttributeReader::AttributeReader(Runtime& runtime, const Value& attribute) {
  if (attribute.is(Kind::kNone)) return;
  if (!attribute.is_string()) {
    parts_.push_back(attribute);
    return;
  }
  const std::string& text = attribute.text();
  for (std::size_t start = 0; start <= text.size();) {
    const std::size_t end = std::min(text.find('.', start), text.size());
    const std::string part = text.substr(start, end - start);
    if (all_are(part, Class::kDigit))
      parts_.push_back(Value::integer(parse_int(part, 10).value_or(0)));
    else
      parts_.push_back(runtime.string(part));
    start = end + 1;
  }
}

Value AttributeReader::operator()(Runtime& runtime, const Value& item) const {
  Value value = item;
  for (const auto& part : parts_) {
    value = runtime.item(value, part);
    if (value.is_undefined() && !default_.is(Kind::kNone)) value = default_;
  }
  return ignore_case_ ? lowered(runtime, value) : value;
}

Value lowered(Runtime& runtime, const Value& value) {
  if (!value.is_string()) return value;
  runtime.budget.work(value.text().size());
  return runtime.string(change_case(value.text(), Casing::kLower), value.as_string().markup);
}

}  // namespace attune::text::jinja
