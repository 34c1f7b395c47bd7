#include "cli/recipes.h"

#include <algorithm>

namespace attune::cli {

BundledRecipe describe_recipe(std::string_view path, std::string_view content) {
  BundledRecipe recipe;
  recipe.path = path;
  recipe.name = path.substr(path.rfind('/') + 1);
  recipe.name.resize(recipe.name.rfind('.'));
  while (content.starts_with('#')) {
    const std::string_view line = content.substr(1, content.find('\n') - 1);
    content.remove_prefix(std::min(content.size(), line.size() + 2));
    const std::size_t indent = line.find_first_not_of(' ');
    if (indent == std::string_view::npos) continue;
    std::string& text = indent > 1 ? recipe.command : recipe.summary;
    text += (text.empty() ? "" : " ") + std::string(line.substr(indent));
  }
  return recipe;
}

std::vector<BundledRecipe> bundled_recipes() {
  std::vector<BundledRecipe> recipes;
  for (const auto& [path, content] : embedded_recipes()) recipes.push_back(describe_recipe(path, content));
  return recipes;
}

}  // namespace attune::cli
