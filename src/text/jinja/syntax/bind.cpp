// Gives variables their slots: the counterpart of jinja2's code generator.
#include <algorithm>

#include <fmt/format.h>

#include "text/jinja/syntax/scope.h"

namespace attune::text::jinja {
namespace {

/// A block being bound.
struct Frame {
  Symbols* symbols = nullptr;
  bool soft = false;  ///< inside `if`: unknown filters are errors only when reached
  int loops = 0;      ///< loops of the running function that `break` may leave
};

class Binder {
 public:
  explicit Binder(Program& program) : program_(program) {}

  void run() {
    FunctionBuilder function(program_.function, nullptr);
    program_.function.captured = true;
    Symbols symbols(nullptr, function);
    symbols.analyze(program_.body);
    bind_body(program_.body, {&symbols, false, 0});
    program_.scope = scope_of(symbols);
  }

 private:
  [[noreturn]] static void fail(const std::string& message, int line) {
    throw Failure(FailureKind::kSyntax, message, line);
  }

  /// The slot of a reference as seen from `function`; functions in between must keep their variables alive.
  static Slot slot_of(const Symbols::Reference& reference, FunctionBuilder& function) {
    Slot slot;
    FunctionBuilder* at = &function;
    for (; at != reference.function; at = at->parent) ++slot.hops;
    for (FunctionBuilder* outer = function.parent; slot.hops > 0 && outer; outer = outer->parent) {
      outer->shape.captured = true;
      if (outer == reference.function) break;
    }
    slot.index = at->slot(reference.identifier);
    return slot;
  }

  static Scope scope_of(const Symbols& symbols) {
    Scope scope;
    for (const auto& [identifier, load] : symbols.loads()) {
      const int index = symbols.function().slot(identifier);
      scope.slots.push_back(index);
      if (load.action == Symbols::Action::kResolve)
        scope.loads.push_back({Load::Action::kResolve, index, load.name, {}});
      else if (load.action == Symbols::Action::kAlias)
        scope.loads.push_back(
            {Load::Action::kAlias, index, load.name, slot_of(load.source, symbols.function())});
      else if (load.action == Symbols::Action::kUndefined)
        scope.loads.push_back({Load::Action::kUndefined, index, load.name, {}});
    }
    return scope;
  }

  void bind_name(Expression& node, const Frame& frame) {
    const auto reference = frame.symbols->find(node.text);
    if (!reference.function) fail(fmt::format("the name '{}' cannot be used here", node.text), node.line);
    node.slot = slot_of(reference, frame.symbols->function());
  }

  static bool is_literal(const Expression& node) {
    const bool container = node.kind == ExpressionKind::kTuple || node.kind == ExpressionKind::kList ||
                           node.kind == ExpressionKind::kDict;
    if (!container) return node.kind == ExpressionKind::kConstant;
    return std::all_of(node.children.begin(), node.children.end(),
                       [](const auto& child) { return is_literal(*child); });
  }

  /// jinja2 computes `false and …` when it compiles, so that nothing on the right is looked at.
  static bool decided_by_left(const Expression& node) {
    if (node.kind != ExpressionKind::kAnd && node.kind != ExpressionKind::kOr) return false;
    const Expression& left = *node.children[0];
    if (!is_literal(left)) return false;
    const bool truth =
        left.kind == ExpressionKind::kConstant ? truthy(left.constant) : !left.children.empty();
    return truth == (node.kind == ExpressionKind::kOr);
  }

  void bind_expression(Expression& node, Frame frame) {
    if (decided_by_left(node)) frame.soft = true;
    if (node.kind == ExpressionKind::kName || node.kind == ExpressionKind::kNamespaceRef)
      bind_name(node, frame);
    if (node.kind == ExpressionKind::kConditional) frame.soft = true;
    if (node.kind == ExpressionKind::kFilter || node.kind == ExpressionKind::kTest) {
      const bool filter = node.kind == ExpressionKind::kFilter;
      node.function = filter ? find_filter(node.text) : find_test(node.text);
      if (!node.function && !frame.soft)
        fail(fmt::format("No {} named '{}'.", filter ? "filter" : "test", node.text), node.line);
    }
    for (auto& child : node.children)
      if (child) bind_expression(*child, frame);
  }

  void bind_body(Body& body, const Frame& frame) {
    for (auto& statement : body) bind_statement(*statement, frame);
  }

  void bind_statement(Statement& node, const Frame& frame) {
    switch (node.kind) {
      case StatementKind::kOutput:
        for (auto& output : node.outputs) bind_expression(*output, frame);
        break;
      case StatementKind::kFor:
        bind_for(node, frame);
        break;
      case StatementKind::kIf:
        bind_if(node, frame);
        break;
      case StatementKind::kMacro:
        bind_macro(node, frame);
        break;
      case StatementKind::kGeneration:
        program_.has_generation = true;
        [[fallthrough]];
      case StatementKind::kCallBlock:
        bind_macro_body(node, frame);
        if (node.value) bind_expression(*node.value, frame);
        break;
      case StatementKind::kFilterBlock:
        bind_block(node, frame, true);
        break;
      case StatementKind::kSetBlock:
        bind_block(node, frame, false);
        break;
      case StatementKind::kWith:
        bind_with(node, frame);
        break;
      case StatementKind::kSet:
        bind_expression(*node.value, frame);
        bind_expression(*node.target, frame);
        break;
      case StatementKind::kBreak:
      case StatementKind::kContinue:
        if (frame.loops == 0) fail("'break' and 'continue' belong inside a loop", node.line);
        break;
    }
  }

  void bind_if(Statement& node, Frame frame) {
    frame.soft = true;
    bind_expression(*node.value, frame);
    bind_body(node.body, frame);
    bind_body(node.branches, frame);
    bind_body(node.otherwise, frame);
  }

  /// A filter block, or a set block (whose filter jinja2 leaves out of the analysis).
  void bind_block(Statement& node, const Frame& outer, bool filter_block) {
    Symbols symbols(outer.symbols, outer.symbols->function());
    symbols.analyze(node.body);
    if (filter_block) symbols.analyze(*node.value);
    const Frame frame{&symbols, false, outer.loops};
    bind_body(node.body, frame);
    if (node.value) bind_expression(*node.value, frame);
    if (node.target) bind_expression(*node.target, outer);
    node.scope = scope_of(symbols);
  }

  void bind_with(Statement& node, const Frame& outer) {
    Symbols symbols(outer.symbols, outer.symbols->function());
    for (auto& target : node.targets) symbols.analyze(*target);
    symbols.analyze(node.body);
    const Frame frame{&symbols, false, outer.loops};
    for (auto& target : node.targets) bind_expression(*target, frame);
    for (auto& value : node.values) bind_expression(*value, outer);
    bind_body(node.body, frame);
    node.scope = scope_of(symbols);
  }

  void bind_for(Statement& node, const Frame& outer) {
    FunctionBuilder& outer_function = outer.symbols->function();
    FunctionBuilder own(node.recursion, &outer_function);
    FunctionBuilder& function = node.recursive ? own : outer_function;
    if (node.recursive) outer_function.shape.captured = true;
    Symbols loop(outer.symbols, function), otherwise(outer.symbols, function);
    if (node.recursive || find_undeclared(node.body, {"loop"}).count("loop"))
      node.loop_slot = function.slot(loop.declare_parameter("loop"));
    loop.analyze(*node.target, true);
    loop.analyze(node.body);
    otherwise.analyze(node.otherwise);
    if (node.condition) bind_condition(node, outer);
    if (const int line = find_store_of_loop(node))
      fail("Can't assign to special loop variable in for-loop target", line);

    bind_expression(*node.target, {&loop, false, 0});
    bind_expression(*node.value, outer);
    bind_body(node.body, {&loop, false, (node.recursive ? 0 : outer.loops) + 1});
    bind_body(node.otherwise, {&otherwise, false, node.recursive ? 0 : outer.loops});
    node.scope = scope_of(loop);
    node.else_scope = scope_of(otherwise);
  }

  /// The condition of a loop is a generator function of its own.
  void bind_condition(Statement& node, const Frame& outer) {
    FunctionBuilder function(node.condition_function, &outer.symbols->function());
    function.parent->shape.captured = true;
    Symbols symbols(outer.symbols, function);
    symbols.analyze(*node.target, true);
    symbols.analyze(*node.condition);
    node.condition_target = copy_target(*node.target);
    bind_expression(*node.condition_target, {&symbols, false, 0});
    bind_expression(*node.condition, {&symbols, false, 0});
    node.condition_scope = scope_of(symbols);
  }

  static ExpressionPtr copy_target(const Expression& target) {
    auto copy = std::make_unique<Expression>();
    copy->kind = target.kind;
    copy->line = target.line;
    copy->text = target.text;
    copy->store = target.store;
    for (const auto& child : target.children) copy->children.push_back(copy_target(*child));
    return copy;
  }

  void bind_macro(Statement& node, const Frame& frame) {
    bind_macro_body(node, frame);
    bind_name(*node.target, frame);
    node.name_slot = node.target->slot;
  }

  void bind_macro_body(Statement& node, const Frame& outer) {
    FunctionBuilder function(node.macro.function, &outer.symbols->function());
    Symbols symbols(outer.symbols, function);
    const auto analyze = [&] {
      for (auto& name : node.signature.names) symbols.analyze(*name);
      for (auto& value : node.signature.defaults) symbols.analyze(*value);
      symbols.analyze(node.body);
    };
    analyze();
    declare_special(node, symbols);
    analyze();
    const Frame frame{&symbols, false, 0};
    for (auto& name : node.signature.names) {
      bind_name(*name, frame);
      node.macro.parameters.push_back(name->slot.index);
    }
    for (auto& value : node.signature.defaults) bind_expression(*value, frame);
    bind_body(node.body, frame);
    node.macro.scope = scope_of(symbols);
  }

  /// `caller`, `kwargs` and `varargs`, where the body reads them.
  void declare_special(Statement& node, Symbols& symbols) {
    const auto& names = node.signature.names;
    const auto is_parameter = [&](const char* name) {
      return std::any_of(names.begin(), names.end(), [&](const auto& one) { return one->text == name; });
    };
    const auto undeclared = find_undeclared(node.body, {"caller", "kwargs", "varargs"});
    const auto declare = [&](const char* name) {
      return symbols.function().slot(symbols.declare_parameter(name));
    };
    node.macro.takes_caller = undeclared.count("caller") > 0;
    if (node.macro.takes_caller) {
      const std::size_t without_default = names.size() - node.signature.defaults.size();
      for (std::size_t i = 0; i < without_default; ++i)
        if (names[i]->text == "caller")
          fail("the special \"caller\" argument must be omitted or be given a default", node.line);
      if (!is_parameter("caller")) node.macro.caller = declare("caller");
    }
    if (undeclared.count("kwargs") && !is_parameter("kwargs")) node.macro.keywords = declare("kwargs");
    if (undeclared.count("varargs") && !is_parameter("varargs")) node.macro.varargs = declare("varargs");
  }

  Program& program_;
};

}  // namespace

void bind(Program& program) { Binder(program).run(); }

}  // namespace attune::text::jinja
