// What to say of a name that does not exist.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace attune::core {

/// The candidate with the smallest edit distance to `name` (insertions, deletions, replacements, swaps of
/// neighbours; case and `-` for `_` count little), or "" when none is near.
std::string nearest(std::string_view name, const std::vector<std::string>& candidates);

/// The end of a message that begins with the unknown name: "; did you mean 'b'? Known are: a, b". Of long
/// lists the near name alone; where none is near "; known are: a, b" (the first of very many).
std::string did_you_mean(std::string_view name, const std::vector<std::string>& known);

}  // namespace attune::core
