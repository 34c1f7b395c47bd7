// A Jinja interpreter for chat templates: the same bytes as Python's jinja2 in the environment that
// transformers sets up, bounded in time, memory, depth and output.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/json.h"

namespace attune::text {

namespace jinja {
struct Program;
}

/// A parsed template: immutable, cheap to copy, may be rendered from several threads at once.
///
/// Environment: trim_blocks, lstrip_blocks, one trailing newline of the source removed, no autoescape,
/// immutable lists and dicts, loop controls, `{% generation %}`, `tojson` without HTML escaping,
/// `raise_exception`, `strftime_now`, `range`, `dict`, `namespace`, `joiner`, `cycler`. An undefined value
/// prints as nothing, is false and iterates as empty; using an attribute or item of it, or calling it, is an
/// error. `include`, `import`, `extends` are refused.
///
/// Differences from Python: integers have 64 bits (a result beyond them is an error, not a big number), and a
/// template that runs too long, too deep or too large is stopped (see `jinja::Limits` in jinja_limits.h).
class JinjaTemplate {
 public:
  /// @param source UTF-8 text of the template.
  /// @param name names the template in messages, e.g. "model/chat_template.jinja".
  /// @throws Error{kRequest} "name:line: …" on a syntax error.
  static JinjaTemplate parse(std::string_view source, std::string name);

  struct Rendered {
    std::string text;
    /// Byte ranges [first, second) of `text` written inside `{% generation %}` blocks, in order.
    std::vector<std::pair<std::size_t, std::size_t>> generation_spans;
    /// False if a block ran inside a macro or captured text and its place in `text` is therefore not known.
    bool spans_reliable = true;
  };

  /// @param context an object: the variables that the template sees. Keys keep their order.
  /// @throws Error{kRequest} "name:line: …": an error of the template (raise_exception, an attribute of an
  /// undefined
  ///   value, …) or a bound that it ran into.
  Rendered render(const core::Json& context) const;

  /// True if the template has a `{% generation %}` block.
  bool has_generation_blocks() const;
  const std::string& name() const;

 private:
  explicit JinjaTemplate(std::shared_ptr<const jinja::Program> program) : program_(std::move(program)) {}
  std::shared_ptr<const jinja::Program> program_;
};

}  // namespace attune::text
