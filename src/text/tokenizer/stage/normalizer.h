// Normalizers of tokenizer.json: text to text, before it is cut.
#pragma once

#include <memory>
#include <string>

#include "text/tokenizer/json_view.h"
#include "text/tokenizer/stage/regex.h"
#include "text/tokenizer/stage/sourced_text.h"

namespace attune::text {

/// One step, or a sequence of steps. Immutable.
class Normalizer {
 public:
  virtual ~Normalizer() = default;
  /// Changes well-formed `text` in place; it stays well-formed.
  virtual void apply(SourcedText& text, RegexScratch& scratch) const = 0;
};

/// Builds from the object {"type": …}. @throws core::Error{kRequest}: malformed, or of a type that is not
/// supported.
std::unique_ptr<const Normalizer> make_normalizer(const JsonView& view);

}  // namespace attune::text
