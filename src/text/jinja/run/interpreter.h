// Runs a bound template.
#pragma once

#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "text/jinja/syntax/ast.h"
#include "text/jinja/value/runtime.h"

namespace attune::text::jinja {

/// The variables of one running function.
struct Activation {
  Activation(const FunctionShape& shape, Activation* outer)
      : slots(static_cast<std::size_t>(shape.slots), Value::missing()), parent(outer) {}
  std::vector<Value> slots;
  Activation* parent;
};

class LoopObject;

class Interpreter {
 public:
  Interpreter(const Program& program, Value context) : program_(program), context_(std::move(context)) {}
  Interpreter(const Interpreter&) = delete;
  Interpreter& operator=(const Interpreter&) = delete;

  void run();
  std::string take_text() { return std::move(out_); }
  /// Byte ranges of `{% generation %}` blocks, computed as transformers does: from where the output is when
  /// the block runs. Inside macros and captured blocks that is not where its text ends up: see
  /// `spans_reliable`.
  const std::vector<std::pair<std::size_t, std::size_t>>& spans() const { return spans_; }
  bool spans_reliable() const { return spans_reliable_; }
  /// Line of the node being evaluated, for messages.
  int line() const { return line_; }

  /// Calls a macro or call block.
  Value call_macro(const Statement& node, Activation* closure, Args& args);
  /// Runs a recursive loop over `iterable` and returns its text.
  Value call_loop(const Statement& node, Activation* closure, const Value& iterable, std::int64_t depth);
  Value evaluate(const Expression& node, Activation& at);
  void assign(const Expression& target, Value value, Activation& at);
  void enter(const Scope& scope, Activation& at);
  Runtime& runtime() { return runtime_; }

 private:
  enum class Flow { kNext, kBreak, kContinue };
  /// Sends output to a string of its own while it lives.
  class Capture;
  /// A function's variables: on the stack, or kept until the end if inner functions refer to them.
  class Frame;

  Flow execute(const Body& body, Activation& at);
  Flow execute(const Statement& node, Activation& at);
  void output(const Statement& node, Activation& at);
  Flow branch(const Statement& node, Activation& at);
  Flow loop(const Statement& node, Activation& at);
  Flow loop_body(const Statement& node, Activation& at, const Value& iterable, Activation* closure,
                 std::int64_t depth);
  Flow turn(const Statement& node, Activation& at, Value item, const Value& loop_value);
  Value filtered(const Statement& node, const Value& iterable, Activation& at);
  Flow filter_block(const Statement& node, Activation& at);
  Flow set_block(const Statement& node, Activation& at);
  Flow with(const Statement& node, Activation& at);
  void set(const Statement& node, Activation& at);
  void call_block(const Statement& node, Activation& at);
  void generation(const Statement& node, Activation& at);
  void bind_parameters(const Statement& node, Activation& at, Args& args);
  void write(const Value& value);
  void write_text(const Value& value);  ///< of blocks, whose result must be text
  static void leave(const Scope& scope, Activation& at);

  Value name(const Expression& node, Activation& at);
  Value dict(const Expression& node, Activation& at);
  std::vector<Value> evaluate_all(const Expression& node, Activation& at);
  Value conditional(const Expression& node, Activation& at);
  Value compare(const Expression& node, Activation& at);
  bool compare(Comparison how, const Value& left, const Value& right);
  Value concatenate(const Expression& node, Activation& at);
  Value item(const Expression& node, Activation& at);
  Value call(const Expression& node, Activation& at, const Value* caller);
  Value apply(const Expression& node, Activation& at, const Value* block_text);
  Value evaluate_input(const Expression& node, Activation& at, const Value* block_text);
  Args arguments(const Expression& node, Activation& at);
  Value resolve(const std::string& name) const;
  static Value& variable(const Slot& slot, Activation& at);
  void check_namespaces(const Expression& target, Activation& at);

  const Program& program_;
  Runtime runtime_;
  Value context_;
  std::deque<Activation> kept_;
  std::string out_;
  std::string* sink_ = &out_;
  std::vector<std::pair<std::size_t, std::size_t>> spans_;
  std::vector<std::pair<std::size_t, std::string>>
      inner_spans_;  ///< of blocks that ran inside captured output
  bool spans_reliable_ = true;
  int line_ = 1;
};

/// A macro or a caller.
class MacroObject : public Object {
 public:
  MacroObject(Interpreter& interpreter, const Statement& node, Activation* closure)
      : interpreter_(interpreter), node_(node), closure_(closure) {}
  const char* type_name() const override { return "Macro"; }
  bool callable() const override { return true; }
  Value call(Runtime& runtime, Args& args) override;
  Value attribute(Runtime& runtime, std::string_view name) override;
  std::string text_form(Runtime& runtime) const override;

 private:
  Interpreter& interpreter_;
  const Statement& node_;
  Activation* closure_;
};

/// The variable `loop`.
class LoopObject : public Emptied {
 public:
  LoopObject(Interpreter& interpreter, const Statement& node, Activation* closure, Value iterable,
             std::shared_ptr<Iterator> iterator, std::int64_t depth0);
  bool advance(Runtime& runtime, Value& item);
  const char* type_name() const override { return "LoopContext"; }
  bool callable() const override { return true; }
  Value call(Runtime& runtime, Args& args) override;
  Value attribute(Runtime& runtime, std::string_view name) override;
  std::string text_form(Runtime& runtime) const override;
  std::optional<std::int64_t> length(Runtime& runtime) override;
  void empty() override;
  Value cycle(const Args& args) const;
  Value changed(Runtime& runtime, const Args& args);

 private:
  const Value& peek(Runtime& runtime);

  Interpreter& interpreter_;
  const Statement& node_;
  Activation* closure_;  ///< of a recursive loop, else null
  Value iterable_;
  std::shared_ptr<Iterator> iterator_;
  std::vector<Value> rest_;  ///< read ahead to learn the length
  std::size_t rest_at_ = 0;
  bool read_ahead_ = false;
  std::optional<std::int64_t> length_;
  std::int64_t index0_ = -1, depth0_ = 0;
  Value after_ = Value::missing(), current_ = Value::missing(), before_ = Value::missing();
  Value last_changed_ = Value::missing();
  bool kept_ = false;
};

}  // namespace attune::text::jinja
