// Typed options, declared once. A struct of options lists its fields; from that one declaration come parsing with
// checks, --help, the generated docs, `attune list` and the saved recipe.
//
//   struct DpoOptions {
//     double beta = 0.1;
//     void declare(core::Fields& fields) {
//       fields.add("beta", beta, "Strength of the pull towards the reference.").positive();
//     }
//   };
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/json.h"
#include "core/value.h"

namespace attune::core {

/// One option: its name, its meaning, where its value lives, and what is allowed.
class Field {
 public:
  using Target = std::variant<bool*, std::int64_t*, double*, std::string*, std::vector<std::string>*,
                              std::vector<std::int64_t>*, std::vector<double>*, Json*>;
  Field(std::string name, Target target, std::string help);

  // Constraints; each returns *this so that they chain. NaN is refused by every one of them and by `double` itself.
  Field& positive();                              ///< > 0
  Field& non_negative();                          ///< >= 0
  Field& range(double low, double high);          ///< low <= x <= high
  Field& one_of(std::vector<std::string> names);  ///< for strings
  Field& alias(std::string name);                 ///< another spelling that is accepted (TRL's, PEFT's)
  Field& optional();                              ///< null is accepted and leaves the default

  const std::string& name() const { return name_; }
  const std::string& help() const { return help_; }
  const std::vector<std::string>& aliases() const { return aliases_; }
  const std::vector<std::string>& choices() const { return choices_; }
  /// "bool", "int", "float", "string", "list of strings" …, as --help prints it.
  std::string type() const;
  /// The present value (the default, before anything was assigned).
  Json value() const;
  /// Sets the value after checking type and constraints. @throws Error{kRequest} naming place, key, value, remedy.
  void assign(const Value& value, const std::string& key);

 private:
  std::string name_, help_;
  Target target_;
  std::vector<std::string> aliases_, choices_;
  bool optional_ = false;
  double low_, high_;
  bool low_open_ = false;
};

/// The fields of one options struct, in declaration order. Holds pointers into the struct: use it while that lives.
class Fields {
 public:
  /// The reference is valid until the next call of add().
  Field& add(std::string name, Field::Target target, std::string help);
  template <class T>
  Field& add(std::string name, T& target, std::string help) {
    return add(std::move(name), Field::Target(&target), std::move(help));
  }
  const std::vector<Field>& all() const { return fields_; }
  /// The field of that name or alias, or null.
  Field* find(std::string_view name);
  /// Assigns every entry of a map value. Unknown keys stop with the nearest known one.
  /// @param prefix dotted path for messages, e.g. "method"; empty at the top.
  /// @param ignored keys that somebody else takes care of.
  void assign_all(const Value& map, const std::string& prefix, const std::vector<std::string>& ignored = {});
  /// {name: value …} in declaration order.
  Json to_json() const;

 private:
  std::vector<Field> fields_;
};

/// The fields of any struct with `void declare(Fields&)`.
template <class Options>
Fields fields_of(Options& options) {
  Fields fields;
  options.declare(fields);
  return fields;
}

/// The candidate with the smallest edit distance to `name`, or "" when none is near.
std::string nearest(std::string_view name, const std::vector<std::string>& candidates);

}  // namespace attune::core
