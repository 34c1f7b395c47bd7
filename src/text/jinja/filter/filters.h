// The filters, in files by what they work on.
#pragma once

#include <map>
#include <string_view>

#include "text/jinja/value/runtime.h"

namespace attune::text::jinja {

using FunctionTable = std::map<std::string_view, Function>;

void add_text_filters(FunctionTable& table);
void add_number_filters(FunctionTable& table);
void add_sequence_filters(FunctionTable& table);
void add_selection_filters(FunctionTable& table);  ///< map, select, reject, …: lazy ones that call others

/// Reads `a.b.0` of items: environment.getitem for each part.
class AttributeReader {
 public:
  /// @param attribute a string, an integer, or none (the item itself).
  AttributeReader(Runtime& runtime, const Value& attribute);
  void set_default(Value value) { default_ = std::move(value); }
  void ignore_case() { ignore_case_ = true; }
  Value operator()(Runtime& runtime, const Value& item) const;

 private:
  std::vector<Value> parts_;
  Value default_ = Value::none();
  bool ignore_case_ = false;
};

Value lowered(Runtime& runtime, const Value& value);  ///< strings in lower case, others as they are

}  // namespace attune::text::jinja
