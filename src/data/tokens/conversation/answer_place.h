// Where a completion begins in its conversation as the chat template writes it.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "core/json.h"

namespace attune::data {

/// The byte at which renderings of the conversation part when the completion says something else. So it is
/// found where the prompt alone is written in another way than before its answer: templates that put the
/// system text before the last question, or refuse a conversation that nobody opens.
/// @param whole the rendering with the completion itself
/// @param render (completion) → the whole conversation with this completion instead, "" where it is refused
/// @return nothing where the template does not show what a completion says
std::optional<std::size_t> place_of_completion(
    std::string_view whole, const core::Json& completion,
    const std::function<std::string(const core::Json& completion)>& render);

}  // namespace attune::data
