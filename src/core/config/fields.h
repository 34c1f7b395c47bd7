// Typed options, declared once. A struct of options lists its fields; from that one declaration come parsing
// with checks, --help, the generated docs, `attune list` and the saved recipe.
//
//   struct DpoOptions {
//     double beta = 0.1;
//     void declare(core::Fields& fields) {
//       fields.add("beta", beta, "Strength of the pull towards the reference.").positive();
//     }
//   };
//
// Structs compose by dotted path:
//
//   struct Recipe {
//     core::Value method;          // kept as written; make_method() checks it
//     TrainingOptions training;
//     void declare(core::Fields& fields) {
//       fields.add("method", method, "What to learn with.").short_form("name");
//       fields.section("training", training, "How to train.");      // training.learning_rate …
//     }
//   };
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/config/value.h"
#include "core/json.h"

namespace attune::core {

/// One row of a reference of options, for --help, `list` and the docs.
struct OptionRow {
  std::string key;  ///< dotted
  std::string type, allowed, help;
  Json value;  ///< the default, when nothing was assigned yet
  std::vector<std::string> aliases;
  std::string default_from;  ///< where the default is read instead, "" when `value` is it
  std::string short_form;    ///< a section's name that stands for this key ("model" for "model.path"), or ""
};

/// One option: its name, its meaning, where its value lives, and what is allowed.
class Field {
 public:
  /// A list target also takes a single scalar (a list of one). Json takes anything. Value takes anything and
  /// keeps the places, for settings that somebody else checks (methods, rules).
  using Target = std::variant<bool*, std::int64_t*, double*, std::string*, std::vector<std::string>*,
                              std::vector<std::int64_t>*, std::vector<double>*, Json*, Value*>;
  Field(std::string name, Target target, std::string help);

  // Constraints; each returns *this so that they chain. For lists they hold for every entry. `double` itself
  // refuses NaN and infinities.
  Field& positive();                              ///< > 0
  Field& non_negative();                          ///< >= 0
  Field& range(double low, double high);          ///< low <= x <= high
  Field& one_of(std::vector<std::string> names);  ///< for strings
  Field& alias(std::string name);                 ///< another spelling that is accepted (TRL's, PEFT's)
  Field& optional();                              ///< null is accepted and leaves the default
  Field& short_form(std::string first);           ///< Json and Value: a scalar or list stands for {first: …}
  Field& shown_type(std::string type);            ///< what type() says instead, e.g. "method" or "file"
  Field& default_from(std::string where);         ///< the default is read there: "generation_config.json"

  /// The options of the long form of a setting that somebody else reads (`data.path` below `data`), for
  /// --help.
  Field& documented(std::vector<OptionRow> long_form);

  const std::string& name() const { return name_; }
  const std::string& help() const { return help_; }
  const std::vector<OptionRow>& long_form() const { return long_form_; }
  const std::vector<std::string>& aliases() const { return aliases_; }
  const std::vector<std::string>& choices() const { return choices_; }
  const std::string& first() const { return first_; }
  const std::string& default_source() const { return default_from_; }  ///< "" where value() is the default
  /// "bool", "int", "float", "string", "list of strings" …, as --help prints it.
  std::string type() const;
  /// What is allowed, for --help: "> 0", "0 to 1", "one of a, b"; "" when anything of the type is.
  std::string allowed() const;
  /// The present value (the default, before anything was assigned).
  Json value() const;
  /// Sets the value after checking type and constraints. @throws Error{kRequest} naming place, key, value,
  /// remedy.
  void assign(const Value& value, const std::string& key);
  bool takes_any() const {
    return std::holds_alternative<Json*>(target_) || std::holds_alternative<Value*>(target_);
  }

 private:
  friend struct Assigner;
  void check_number(double number, const Value& value, const std::string& key) const;
  void check_choice(const std::string& text, const Value& value, const std::string& key) const;

  std::string name_, help_, first_, shown_type_, default_from_;
  Target target_;
  std::vector<std::string> aliases_, choices_;
  std::vector<OptionRow> long_form_;
  bool optional_ = false;
  bool low_open_ = false;
  double low_ = -std::numeric_limits<double>::infinity(), high_ = std::numeric_limits<double>::infinity();
};

class Fields;

/// A named group of fields inside others ("training" in a recipe).
struct Section;

/// The fields of one options struct, in declaration order. Holds pointers into the struct: use it while that
/// lives and stays where it is.
class Fields {
 public:
  Fields();
  ~Fields();
  Fields(Fields&&) noexcept;
  Fields& operator=(Fields&&) noexcept;
  Fields(const Fields&);
  Fields& operator=(const Fields&);

  /// The reference is valid until the next call of add().
  Field& add(std::string name, Field::Target target, std::string help);
  template <class T>
  Field& add(std::string name, T& target, std::string help) {
    return add(std::move(name), Field::Target(&target), std::move(help));
  }
  /// A section of any struct with `void declare(Fields&)`. With `first`, a scalar or list given for the whole
  /// section sets its field of that name (`data=FILE` is `data.path=FILE`).
  template <class Options>
  void section(std::string name, Options& options, std::string help, std::string first = "") {
    Fields inner;
    options.declare(inner);
    add_section(std::move(name), std::move(inner), std::move(help), std::move(first));
  }
  void add_section(std::string name, Fields fields, std::string help, std::string first = "");

  const std::vector<Field>& all() const { return fields_; }
  const std::vector<Section>& sections() const { return sections_; }
  /// The field of that name or alias, or null. `name` may be a dotted path through sections.
  Field* find(std::string_view name);
  /// Assigns every entry of a map value; null assigns nothing. Unknown keys stop with the nearest known one.
  /// @param prefix dotted path for messages, e.g. "method"; empty at the top.
  /// @param ignored keys that somebody else takes care of.
  /// @throws Error{kRequest}
  void assign_all(const Value& map, const std::string& prefix, const std::vector<std::string>& ignored = {});
  /// Assigns what can be. @return a message about each entry that cannot, those about unknown keys first
  std::vector<std::string> assign_what_can_be(const Value& map);
  /// The first field of the section or any-valued field at a dotted path, "" when it has no short form: for
  /// Value::set.
  std::string first_field(std::string_view path) const;
  /// {name: value …} in declaration order, sections nested after the fields. Reads back through assign_all.
  Json to_json() const;

 private:
  std::vector<Field> fields_;
  std::vector<Section> sections_;
};

struct Section {
  std::string name, help, first;
  Fields fields;
};

/// The fields of any struct with `void declare(Fields&)`.
template <class Options>
Fields fields_of(Options& options) {
  Fields fields;
  options.declare(fields);
  return fields;
}

/// Every field, sections included, in declaration order.
std::vector<OptionRow> option_rows(const Fields& fields, const std::string& prefix = "");
/// [{"name", "type", "default", "help", "allowed"?, "aliases"?, "default_from"?, "short_form"?} …] as `attune
/// list --json` shows options.
Json options_json(const Fields& fields);

}  // namespace attune::core
