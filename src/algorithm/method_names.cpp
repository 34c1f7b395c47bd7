// From what a recipe says to a method object, TRL's spellings included.
#include <cctype>

#include "algorithm/method.h"
#include "core/config/value.h"
#include "core/error.h"

namespace attune::algorithm {

namespace {

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
  const std::string near = core::nearest(name, known);
  core::fail_request("{}: no {} '{}'{} (`attune list methods` shows all)", place, what, name,
                     near.empty() ? "; there are " + fmt::format("{}", fmt::join(known, ", "))
                                  : ", did you mean '" + near + "'?");
}

std::unique_ptr<Method> method_of_loss_type(const std::string& name, const core::Value& value,
                                            const std::string& key) {
  const std::string loss_type = loss_type_of(value, key);
  if (auto method = method_of_trl_name(name, loss_type)) return method;
  std::vector<std::string> known;
  for (const auto& [entry, create] : method_entries()) {
    for (const auto& trl_name : create()->info().trl_names) {
      if (trl_name.first == name && !trl_name.second.empty()) known.push_back(trl_name.second);
    }
  }
  fail_unknown("loss_type of " + name, loss_type, value.place(), known);
}

/// What comes nearest to methods that people ask for and that are not here. A name that becomes a method
/// leaves.
struct Relative {
  std::string_view names, nearest;
};
constexpr Relative kRelatives[] = {
    {"simpo cpo orpo cpo_simpo alpha_po",
     "it compares pairs without a reference, which no method here does; with one: sigmoid_norm (by token), "
     "dpo, "
     "hinge"},
    {"rso slic slic_hf rrhf", "of its family: hinge"},
    {"cdpo c_dpo", "it is method=dpo with method.label_smoothing"},
    {"rdpo r_dpo", "of its family: robust, and sigmoid_norm against length"},
    {"online_dpo xpo nash_md rlhf raft",
     "no method samples while it learns: dpo on pairs that generate and score made"},
    {"gspo gspo_token", "it is method=grpo with method.importance_sampling_level=sequence"},
    {"ppo reinforce reinforce_plus_plus rloo remax a2c trpo",
     "no method learns a value or samples while it learns; on groups of rewards: grpo, dr_grpo, dapo"},
    {"gkd minillm distillation", "of its family: sft on what the teacher wrote"},
    {"prm orm rm", "what is learnt from pairs is bradley_terry"},
};

std::string relatives_of(const std::string& name) {
  std::string wanted = " ";
  for (const char c : name)
    wanted += c == '-' ? '_' : static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  wanted += ' ';
  for (const Relative& relative : kRelatives)
    if ((" " + std::string(relative.names) + " ").find(wanted) != std::string::npos)
      return std::string(relative.nearest);
  return "";
}

std::unique_ptr<Method> method_of_plain_name(const std::string& name, const std::string& place) {
  if (auto method = method_of_name(name)) return method;
  if (auto method = method_of_trl_name(name, "")) return method;
  if (const std::string relatives = relatives_of(name); !relatives.empty())
    core::fail_request("{}: no method '{}': {} (`attune list methods` shows all)", place, name, relatives);
  std::vector<std::string> known;
  for (const auto& [entry, create] : method_entries()) known.emplace_back(entry);
  fail_unknown("method", name, place, known);
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
