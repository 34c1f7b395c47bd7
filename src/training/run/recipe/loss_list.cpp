#include "training/run/recipe/loss_list.h"

#include <algorithm>

#include "algorithm/method.h"
#include "core/error.h"

namespace attune::training {
namespace {

using core::Value;

std::vector<Value> losses_of(const Value& setting) {
  const Value* losses = setting.find("loss_type");
  if (losses == nullptr || losses->is_null()) return {Value::null(setting.place())};
  return losses->is_list() ? losses->items() : std::vector<Value>{*losses};
}

double number_of(const Value& value, const std::string& key) {
  const core::Json number = value.to_json();
  if (!number.is_number())
    core::fail_request("{}: {} is {}; a number is needed", value.place(), key, value.described());
  return number.get<double>();
}

std::vector<double> weights_of(const Value& setting, std::size_t losses) {
  const Value* weights = setting.find("loss_weights");
  if (weights == nullptr || weights->is_null()) return std::vector<double>(losses, 1);
  const auto given = weights->is_list() ? weights->items() : std::vector<Value>{*weights};
  if (given.size() != losses)
    core::fail_request("{}: loss_weights has {} for {}: one for each of loss_type is needed",
                       weights->place(), given.size(),
                       losses == 1 ? "1 loss" : fmt::format("{} losses", losses));
  std::vector<double> numbers;
  for (const Value& weight : given) numbers.push_back(number_of(weight, "loss_weights"));
  return numbers;
}

/// The methods of one entry; what none of them has stays with the first, which refuses it by name.
class Apart {
 public:
  explicit Apart(const Value& setting) : setting_(setting), losses_(losses_of(setting)) {
    const auto weights = weights_of(setting, losses_.size());
    const Value* own = setting.find("weight");
    const double all = own == nullptr ? 1 : number_of(*own, "weight");
    for (std::size_t i = 0; i < losses_.size(); ++i) add(losses_[i], weights[i] * all);
    for (const auto& [key, value] : setting.entries()) {
      if (key == "name" || key == "loss_type" || key == "loss_weights" || key == "weight") continue;
      share(key, value);
    }
  }
  std::vector<Value> entries() && { return std::move(entries_); }

 private:
  void add(const Value& loss, double weight) {
    Value entry = Value::map({}, setting_.place());
    if (const Value* name = setting_.find("name")) entry.entries().emplace_back("name", *name);
    if (!loss.is_null()) entry.entries().emplace_back("loss_type", loss);
    has_.push_back(algorithm::make_method(entry, "method"));
    if (weight != 1)
      entry.entries().emplace_back("weight",
                                   Value::scalar(fmt::format("{}", weight), false, setting_.place()));
    entries_.push_back(std::move(entry));
  }

  void share(const std::string& key, const Value& value) {
    bool taken = false;
    for (std::size_t i = 0; i < entries_.size(); ++i) {
      core::Fields options = has_[i]->fields();
      if (key != "data" && options.find(key) == nullptr) continue;
      entries_[i].entries().emplace_back(key, value);
      taken = true;
    }
    if (!taken) entries_.front().entries().emplace_back(key, value);
  }

  const Value& setting_;
  std::vector<Value> losses_, entries_;
  std::vector<std::unique_ptr<algorithm::Method>> has_;
};

bool sums_losses(const Value& setting) {
  const Value *losses = setting.find("loss_type"), *weights = setting.find("loss_weights");
  return setting.is_map() &&
         (weights != nullptr || (losses != nullptr && losses->is_list() && losses->items().size() > 1));
}

}  // namespace

Value losses_apart(const Value& method) {
  const auto settings = method.is_list() ? method.items() : std::vector<Value>{method};
  if (std::ranges::none_of(settings, sums_losses)) return method;
  std::vector<Value> all;
  for (const Value& setting : settings) {
    auto entries = sums_losses(setting) ? Apart(setting).entries() : std::vector<Value>{setting};
    std::ranges::move(entries, std::back_inserter(all));
  }
  if (all.size() == 1 && !method.is_list() && all.front().find("weight") == nullptr) return all.front();
  return Value::list(std::move(all), method.place());
}

}  // namespace attune::training
