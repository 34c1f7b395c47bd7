// From what a recipe says to a method object, TRL's spellings included.
#include <algorithm>
#include <cctype>

#include "algorithm/method.h"
#include "core/config/nearest.h"
#include "core/config/value.h"
#include "core/error.h"

namespace attune::algorithm {

bool MethodInfo::is_of_trainer(std::string_view trainer) const {
  return std::any_of(trl_names.begin(), trl_names.end(),
                     [&](const auto& known) { return known.first == trainer; });
}

namespace {

/// A trainer, and the loss that it takes by itself and that is not called as it is.
constexpr std::string_view kGrpo = "grpo", kLossOfGrpo = "dapo";

std::unique_ptr<Method> method_of_name(std::string_view name) {
  for (const auto& [entry, create] : method_entries()) {
    if (entry == name) return create();
  }
  return nullptr;
}

std::unique_ptr<Method> method_of_trl_name(const std::string& name, const std::string& loss_type) {
  for (const auto& [entry, create] : method_entries()) {
    std::unique_ptr<Method> method = create();
    for (const auto& trl_name : method->info().trl_names) {
      if (trl_name.first == name && trl_name.second == loss_type) return method;
    }
  }
  return nullptr;
}

std::string loss_type_of(const core::Value& value, const std::string& key) {
  if (value.kind() == core::Value::Kind::kScalar) return value.text();
  if (value.kind() == core::Value::Kind::kList && value.items().size() == 1)
    return loss_type_of(value.items()[0], key);
  core::fail_request(
      "{}: {}.loss_type must be one name. For a weighted sum of losses give `method` a list of "
      "{{name, weight}} entries",
      value.place(), key);
}

[[noreturn]] void fail_unknown(const std::string& what, const std::string& name, const std::string& place,
                               const std::vector<std::string>& known) {
  core::fail_request("{}: no {} '{}'{} (`attune list methods` shows all)", place, what, name,
                     core::did_you_mean(name, known));
}

/// A name as people write it, without what they write differently.
std::string plain(std::string_view name) {
  std::string out;
  for (const char c : name)
    if (c != '-' && c != '_') out += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

/// "dpo (with method.label_smoothing)" of every method that comes near one that is not here.
std::vector<std::string> standing_in_for(const std::string& wanted) {
  std::vector<std::string> found;
  for (const auto& [entry, create] : method_entries())
    for (const Relatives& relatives : create()->info().stands_in_for)
      for (const std::string& name : relatives.names)
        if (plain(name) == plain(wanted)) found.push_back(fmt::format("{} ({})", entry, relatives.how));
  return found;
}

[[noreturn]] void fail_unknown_method(const std::string& name, const std::string& place) {
  if (const auto near = standing_in_for(name); !near.empty())
    core::fail_request("{}: no method '{}'; nearest {} {} (`attune list methods` shows all)", place, name,
                       near.size() == 1 ? "is" : "are", fmt::join(near, ", "));
  std::vector<std::string> known;
  for (const auto& [entry, create] : method_entries()) known.emplace_back(entry);
  fail_unknown("method", name, place, known);
}

std::unique_ptr<Method> method_of_plain_name(const std::string& name, const std::string& place) {
  if (auto method = method_of_name(name)) return method;
  if (auto method = method_of_trl_name(name, "")) return method;
  fail_unknown_method(name, place);
}

/// `{name: ipo, loss_type: ipo}` says the same twice.
std::unique_ptr<Method> method_of_own_loss(const std::string& name, const std::string& loss_type) {
  auto method = method_of_name(name);
  if (method == nullptr || name == loss_type) return method;
  for (const auto& trl_name : method->info().trl_names)
    if (trl_name.second == loss_type) return method;
  return nullptr;
}

/// `{name: dpo, loss_type: ipo}`, a trainer of TRL with its loss.
/// `{name: dapo, loss_type: grpo}`: dapo is what GRPOTrainer learns by unless a loss is named.
std::unique_ptr<Method> method_of_default_loss(const std::string& name, const std::string& loss_type) {
  return name == kLossOfGrpo ? method_of_trl_name(std::string(kGrpo), loss_type) : nullptr;
}

/// `{name: ipo, loss_type: hinge}` are two losses of one trainer.
void refuse_another_loss(const std::string& name, const std::string& loss_type, const std::string& place) {
  const auto method = method_of_name(name);
  if (method == nullptr) return;
  for (const auto& [trainer, loss] : method->info().trl_names)
    if (const auto other = method_of_trl_name(trainer, loss_type))
      core::fail_request(
          "{}: method={} and loss_type={} are two losses: leave one of them out, or write method={}", place,
          name, loss_type, other->info().name);
}

/// What TRL calls the losses of a trainer of its.
std::vector<std::string> losses_of_trainer(const std::string& trainer) {
  std::vector<std::string> losses;
  for (const auto& [entry, create] : method_entries())
    for (const auto& [of, loss] : create()->info().trl_names)
      if (of == trainer && !loss.empty()) losses.push_back(loss);
  return losses;
}

std::unique_ptr<Method> method_of_loss_type(const std::string& trainer, const core::Value& value,
                                            const std::string& key) {
  const std::string loss_type = loss_type_of(value, key);
  if (auto method = method_of_trl_name(trainer, loss_type)) return method;
  if (auto method = method_of_own_loss(trainer, loss_type)) return method;
  if (auto method = method_of_default_loss(trainer, loss_type)) return method;
  refuse_another_loss(trainer, loss_type, value.place());
  const std::vector<std::string> known = losses_of_trainer(trainer);
  if (known.empty() && !method_of_name(trainer)) fail_unknown_method(trainer, value.place());
  if (method_of_name(loss_type))
    core::fail_request("{}: {} is no loss of {}, but a method: write method={}", value.place(), loss_type,
                       trainer, loss_type);
  if (!standing_in_for(loss_type).empty()) fail_unknown_method(loss_type, value.place());
  if (!known.empty()) fail_unknown("loss_type of " + trainer, loss_type, value.place(), known);
  core::fail_request("{}: {}.loss_type: {} is one loss, without types", value.place(), key, trainer);
}

}  // namespace

std::unique_ptr<Method> make_method(const core::Value& settings, const std::string& key) {
  if (settings.kind() == core::Value::Kind::kScalar) {
    auto method = method_of_plain_name(settings.text(), settings.place());
    method->check();
    return method;
  }
  if (settings.kind() != core::Value::Kind::kMap) {
    core::fail_request("{}: {} must be the name of a method or a map {{name: …, options}}", settings.place(),
                       key);
  }
  const core::Value* name = settings.find("name");
  if (name == nullptr || name->kind() != core::Value::Kind::kScalar) {
    core::fail_request("{}: {}.name is missing: which method? (`attune list methods` shows all)",
                       settings.place(), key);
  }
  std::vector<std::string> ignored = {"name"};
  const core::Value* loss_type = settings.find("loss_type");
  std::unique_ptr<Method> method;
  if (loss_type != nullptr && !loss_type->is_null()) {
    method = method_of_loss_type(name->text(), *loss_type, key);
    ignored.emplace_back("loss_type");
  } else {
    method = method_of_plain_name(name->text(), name->place());
  }
  core::Fields fields = method->fields();
  fields.assign_all(settings, key, ignored);
  method->check();
  return method;
}

}  // namespace attune::algorithm
