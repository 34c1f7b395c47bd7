// Recipes: YAML into settings, and `key=value` arguments. Input: the recipe, a NUL byte, one argument.
#include "core/config/fields.h"
#include "core/config/value.h"
#include "core/json.h"
#include "data/options.h"
#include "tests/fuzz/input.h"

namespace attune::fuzz {
namespace {

/// A field of every kind, with every constraint.
struct Options {
  bool flag = false;
  std::int64_t count = 1;
  double rate = 0.5;
  std::string name = "a";
  std::vector<std::string> names;
  std::vector<std::int64_t> numbers;
  std::vector<double> weights;
  core::Json any;
  core::Value method;
  data::DataOptions data;
  void declare(core::Fields& fields) {
    fields.add("flag", flag, "A switch.");
    fields.add("count", count, "A number.").positive().alias("num");
    fields.add("rate", rate, "A share.").range(0, 1).optional();
    fields.add("name", name, "A word.").one_of({"a", "bb"});
    fields.add("names", names, "Words.");
    fields.add("numbers", numbers, "Numbers.").non_negative();
    fields.add("weights", weights, "Shares.");
    fields.add("any", any, "Anything.").short_form("path");
    fields.add("method", method, "A method.").short_form("name");
    fields.section("data", data, "Data.", "path");
  }
};

/// What is written must read back as the same values.
void check_round_trip(const core::Json& json) {
  const std::string written = core::to_yaml(json);
  core::Json again;
  expect(accepts([&] { again = core::parse_yaml(written, "again").to_json(); }), "our own YAML is refused");
  expect(core::to_line(again) == core::to_line(json), "YAML reads back as something else");
}

void assign(const core::Value& value) {
  Options options;
  core::Fields fields = core::fields_of(options);
  if (!accepts([&] { fields.assign_all(value, ""); })) return;
  check_round_trip(fields.to_json());
  // What was accepted is accepted again as it is saved.
  Options saved;
  core::Fields saved_fields = core::fields_of(saved);
  expect(accepts([&] { saved_fields.assign_all(core::Value::from_json(fields.to_json(), "saved"), ""); }),
         "saved settings are refused");
}

void run(std::string_view input) {
  const auto parts = parts_of(input, 2);
  core::Value recipe = core::parse_yaml(parts[0], "recipe.yaml");
  check_round_trip(recipe.to_json());
  recipe.described();
  accepts([&] { assign(recipe); });
  if (parts[1].empty()) return;
  accepts([&] {
    auto [key, value] = core::parse_argument(parts[1], {"system"});
    Options options;
    const core::Fields fields = core::fields_of(options);
    recipe.set(key, std::move(value), [&](std::string_view path) { return fields.first_field(path); });
    assign(recipe);
  });
}

}  // namespace
}  // namespace attune::fuzz

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  attune::fuzz::accepts([&] { attune::fuzz::run(attune::fuzz::text_of(data, size)); });
  return 0;
}
