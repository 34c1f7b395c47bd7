// From what a recipe says to a pairing.
#include <algorithm>

#include "core/config/nearest.h"
#include "record/pairing.h"

namespace attune::record {
namespace {

std::unique_ptr<Pairing> pairing_named(const core::Value& name, const std::string& key) {
  std::vector<std::string> known;
  for (const auto& [entry, make] : pairing_entries()) {
    if (entry == name.text()) return make();
    known.emplace_back(entry);
  }
  core::fail_request("{}: {}: no pairing '{}'{} (`attune list pairings` shows all)", name.place(), key,
                     name.text(), core::did_you_mean(name.text(), known));
}

}  // namespace

std::unique_ptr<Pairing> make_pairing(const core::Value& settings, const std::string& key) {
  if (settings.is_scalar()) return pairing_named(settings, key);
  const core::Value* name = settings.find("name");
  if (name == nullptr || !name->is_scalar())
    core::fail_request("{}: {} is {}; write the name of a pairing, or {{name: …, options…}}",
                       settings.place(), key, settings.described());
  auto pairing = pairing_named(*name, key + ".name");
  core::Fields fields = pairing->fields();
  fields.assign_all(settings, key, {"name"});
  return pairing;
}

std::unique_ptr<Pairing> default_pairing(GroupShape shape) {
  const std::string name = shape == GroupShape::kPairs ? "best_worst" : "as_given";
  return make_pairing(core::Value::scalar(name, false, "the default"));
}

void require_shape(const Pairing& pairing, GroupShape shape, const std::string& who, const std::string& key) {
  if (pairing.makes(shape)) return;
  std::vector<std::string> able;
  for (const auto& [name, make] : pairing_entries())
    if (make()->makes(shape)) able.emplace_back(name);
  core::fail_request("{}={} makes no {}, and {} learns from {}; take {}", key, pairing.info().name,
                     to_text(shape), who, to_text(shape), fmt::join(able, ", "));
}

}  // namespace attune::record
