#include "core/config/truth.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "core/ascii.h"

namespace attune::core {

std::optional<bool> truth_of(const Value& value) {
  constexpr std::array<std::string_view, 6> kYes = {"true", "yes", "on", "t", "y", "1"},
                                            kNo = {"false", "no", "off", "f", "n", "0"};
  if (!value.is_scalar()) return std::nullopt;
  const std::string text = lowercase(value.text());
  if (std::find(kYes.begin(), kYes.end(), text) != kYes.end()) return true;
  if (std::find(kNo.begin(), kNo.end(), text) != kNo.end()) return false;
  return std::nullopt;
}

}  // namespace attune::core
