// What the interpreter holds while a part of a template runs: where its output goes, and its variables.
#pragma once

#include <string>
#include <utility>

#include "text/jinja/run/interpreter.h"

namespace attune::text::jinja {

/// While it lives, output is kept instead of written.
class Interpreter::Capture {
 public:
  explicit Capture(Interpreter& interpreter) : interpreter_(interpreter), outer_(interpreter.sink_) {
    interpreter_.sink_ = &text_;
  }
  ~Capture() { interpreter_.sink_ = outer_; }
  Capture(const Capture&) = delete;
  Capture& operator=(const Capture&) = delete;
  Value take() { return interpreter_.runtime_.string(std::move(text_)); }

 private:
  Interpreter& interpreter_;
  std::string* outer_;
  std::string text_;
};

/// The variables of a function that runs, kept beyond it where a closure may still see them.
class Interpreter::Frame {
 public:
  Frame(Interpreter& interpreter, const FunctionShape& shape, Activation* parent)
      : local_(FunctionShape(), parent) {
    interpreter.runtime_.budget.allocate(sizeof(Activation) +
                                         static_cast<std::size_t>(shape.slots) * sizeof(Value));
    if (shape.captured)
      at_ = &interpreter.kept_.emplace_back(shape, parent);
    else
      local_.slots.resize(static_cast<std::size_t>(shape.slots), Value::missing());
  }
  Frame(const Frame&) = delete;
  Frame& operator=(const Frame&) = delete;
  Activation& operator*() { return *at_; }

 private:
  Activation local_;
  Activation* at_ = &local_;
};

}  // namespace attune::text::jinja
