// Final answers of worked solutions: finding them and comparing them.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace attune::feedback {

/// The final answer in a solution: the content of the last \boxed{…}, else what follows the last "####"
/// (GSM8K), else the last number; nothing when there is none.
std::optional<std::string> final_answer(std::string_view text);

/// The value of "1,234.5", "-3/4", "\frac{3}{4}", "50%", "$7", "2e3": what a final answer usually is.
std::optional<double> number_value(std::string_view answer);

/// Equal numbers (relative 1e-6), or equal texts without white space, dollar signs and \text{…}, in lower
/// case.
bool same_answer(std::string_view a, std::string_view b);

}  // namespace attune::feedback
