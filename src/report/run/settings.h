// The settings of a run, as its recipe.yaml has them.
#pragma once

#include <string>
#include <string_view>

#include "core/json.h"

namespace attune::report {

class Settings {
 public:
  /// A recipe that cannot be read has no settings: a report needs none.
  explicit Settings(const std::string& recipe);

  /// By its name ("training.learning_rate"); nullptr where the recipe has none of that name.
  const core::Json* find(std::string_view name) const;
  /// The text of a setting, or of its first field where it is written in the long form; "" for anything else.
  std::string text(std::string_view name, std::string_view first_field) const;
  /// Whether the model wrote what it learned from (rollouts); otherwise completions and rewards stood in a
  /// file and say nothing of the model.
  bool samples_itself() const;

 private:
  core::Json recipe_;
};

}  // namespace attune::report
