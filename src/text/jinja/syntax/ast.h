// The syntax tree of a template, with what the binder finds out about variables.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "text/jinja/value/runtime.h"
#include "text/jinja/value/value.h"

namespace attune::text::jinja {

struct Expression;
struct Statement;
using ExpressionPtr = std::unique_ptr<Expression>;
using StatementPtr = std::unique_ptr<Statement>;
using Body = std::vector<StatementPtr>;

/// A variable slot: in the function `hops` levels further out.
struct Slot {
  int hops = 0;
  int index = -1;
};

/// What happens to a slot when its block begins: templates are bound as jinja2 compiles them to Python, where
/// every variable of a block is a Python variable that is set at the block's start.
struct Load {
  enum class Action { kResolve, kAlias, kUndefined };
  Action action = Action::kUndefined;
  int index = -1;    ///< the slot to set, in the running function
  std::string name;  ///< kResolve: looked up in the context
  Slot source;       ///< kAlias
};
/// Set at the start of a block, cleared at its end.
struct Scope {
  std::vector<Load> loads;
  std::vector<int> slots;  ///< to clear
};
/// What jinja2 makes a Python function of: the template, macros, call blocks, recursive loops.
struct FunctionShape {
  int slots = 0;
  bool captured = false;  ///< inner functions or lazy loop conditions refer to its variables
};

enum class ExpressionKind {
  kConstant,
  kData,  ///< template text
  kName,
  kNamespaceRef,  ///< target `ns.attr`
  kTuple,
  kList,
  kDict,  ///< children: key, value, key, value, …
  kNegate,
  kPosit,
  kNot,
  kArithmetic,
  kAnd,
  kOr,
  kConcat,
  kCompare,      ///< children: first, then one for each comparison
  kConditional,  ///< children: condition, then, else (may be null)
  kAttribute,
  kItem,
  kSlice,   ///< children: start, stop, step (may be null); only as the second child of kItem
  kCall,    ///< children: callee, then the arguments
  kFilter,  ///< children: input (null in filter blocks), then the arguments
  kTest,
};

enum class Comparison { kEqual, kNotEqual, kLess, kLessEqual, kGreater, kGreaterEqual, kIn, kNotIn };

/// Layout of the arguments among the children of a call, filter or test, behind child 0.
struct CallShape {
  std::size_t positional = 0;
  std::vector<std::string> keywords;
  bool star = false, double_star = false;
};

struct Expression {
  ExpressionKind kind = ExpressionKind::kConstant;
  int line = 1;
  int depth = 1;
  std::string text;  ///< name of a variable, attribute, filter or test
  std::string attribute;
  Value constant;
  Operation operation = Operation::kAdd;
  std::vector<Comparison> comparisons;
  CallShape call;
  std::vector<ExpressionPtr> children;
  bool store = false, parameter = false;  ///< names: how they are used
  Slot slot;
  Function function = nullptr;  ///< of a filter or test; null: unknown, an error when it is reached
};

enum class StatementKind {
  kOutput,
  kFor,
  kIf,
  kMacro,
  kCallBlock,
  kGeneration,
  kFilterBlock,
  kWith,
  kSet,
  kSetBlock,
  kBreak,
  kContinue,
};

/// A macro's parameters; defaults belong to the last ones.
struct Signature {
  std::vector<ExpressionPtr> names;
  std::vector<ExpressionPtr> defaults;
};

/// A macro or call block as a function.
struct MacroShape {
  FunctionShape function;
  Scope scope;
  std::vector<int> parameters;                   ///< slots
  int caller = -1, keywords = -1, varargs = -1;  ///< slots of the special variables that the body uses
  bool takes_caller = false;
};

struct Statement {
  StatementKind kind = StatementKind::kOutput;
  int line = 1;
  std::string name;                            ///< macro
  std::vector<ExpressionPtr> outputs;          ///< kOutput
  ExpressionPtr target;                        ///< kFor, kSet, kSetBlock
  ExpressionPtr value;                         ///< iterable, condition, assigned value, call, filter
  ExpressionPtr condition;                     ///< `for … if`
  std::vector<ExpressionPtr> targets, values;  ///< kWith
  Signature signature;
  bool recursive = false;
  Body body, otherwise;
  Body branches;  ///< kIf: the elif branches

  // Filled in by the binder.
  Scope scope, else_scope, condition_scope;
  int loop_slot = -1;  ///< kFor: slot of `loop`, or -1 if nobody reads it
  Slot name_slot;      ///< kMacro: where the macro is put
  MacroShape macro;
  FunctionShape recursion;           ///< recursive loops
  FunctionShape condition_function;  ///< `for … if` runs its condition in a function of its own,
  ExpressionPtr condition_target;    ///< with its own copies of the loop's variables
};

/// A parsed and bound template.
struct Program {
  std::string name;
  Body body;
  Scope scope;
  FunctionShape function;
  bool has_generation = false;
};

}  // namespace attune::text::jinja
