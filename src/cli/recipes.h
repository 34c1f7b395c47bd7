// The recipes of the folder recipes/, which the program carries inside itself.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace attune::cli {

/// A recipe that can be trained from as it stands: `attune train recipes/dpo.yaml model=… data=… output=…`.
struct BundledRecipe {
  std::string name;     ///< "dpo"
  std::string path;     ///< "recipes/dpo.yaml", below the source folder
  std::string summary;  ///< what it says of itself: the comment at its top, without the command line
  std::string command;  ///< the command line of that comment, "" without one
};

/// Sorted by name.
std::vector<BundledRecipe> bundled_recipes();

/// What a recipe says of itself in the comment lines at its top; indented lines there are the command.
BundledRecipe describe_recipe(std::string_view path, std::string_view content);

/// Generated list: path → content.
const std::vector<std::pair<std::string_view, std::string_view>>& embedded_recipes();

}  // namespace attune::cli
