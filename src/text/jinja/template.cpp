#include "text/jinja/template.h"

#include <fmt/format.h>

#include "core/error.h"
#include "text/jinja/run/interpreter.h"
#include "text/jinja/syntax/parser.h"
#include "text/jinja/syntax/scope.h"

namespace attune::text {
namespace {

[[noreturn]] void fail(const std::string& name, int line, const std::string& message) {
  throw core::Error(core::ErrorCode::kRequest, fmt::format("{}:{}: {}", name, line, message));
}

}  // namespace

JinjaTemplate JinjaTemplate::parse(std::string_view source, std::string name) {
  auto program = std::make_shared<jinja::Program>();
  program->name = std::move(name);
  try {
    program->body = jinja::parse_template(source);
    jinja::bind(*program);
  } catch (const jinja::Failure& failure) {
    fail(program->name, std::max(failure.line(), 1), failure.what());
  }
  return JinjaTemplate(std::move(program));
}

JinjaTemplate::Rendered JinjaTemplate::render(const core::Json& context) const {
  ATTUNE_ASSERT(context.is_object());
  int line = 1;
  try {
    jinja::Interpreter interpreter(*program_, jinja::from_json(context));
    try {
      interpreter.run();
    } catch (const jinja::Failure&) {
      line = interpreter.line();
      throw;
    }
    Rendered out;
    out.generation_spans = interpreter.spans();
    out.spans_reliable = interpreter.spans_reliable();
    out.text = interpreter.take_text();
    return out;
  } catch (const jinja::Failure& failure) {
    fail(program_->name, line, failure.what());
  }
}

bool JinjaTemplate::has_generation_blocks() const { return program_->has_generation; }
const std::string& JinjaTemplate::name() const { return program_->name; }

}  // namespace attune::text
