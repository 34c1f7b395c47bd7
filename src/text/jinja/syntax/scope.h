// Which variables a block reads and writes, found exactly as jinja2's compiler does (idtracking.py): a name
// set in a block is a variable of that block, which starts as a copy of the outer one or as undefined.
#pragma once

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "text/jinja/syntax/ast.h"

namespace attune::text::jinja {

/// One Python function of the compiled template while its variables get slots.
struct FunctionBuilder {
  FunctionBuilder(FunctionShape& function_shape, FunctionBuilder* outer)
      : shape(function_shape), parent(outer) {}
  int slot(const std::string& identifier);
  /// Counts the work of the analysis. @throws Failure{kLimit}
  void charge(std::size_t amount);
  FunctionShape& shape;
  FunctionBuilder* parent;
  std::map<std::string, int> slots;
  std::size_t work = 0;
};

/// The variables of one block.
class Symbols {
 public:
  enum class Action { kParameter, kResolve, kAlias, kUndefined };
  struct Reference {
    std::string identifier;
    FunctionBuilder* function = nullptr;
  };
  struct SymbolLoad {
    Action action = Action::kUndefined;
    std::string name;
    Reference source;
  };

  Symbols(Symbols* parent, FunctionBuilder& function)
      : level_(parent ? parent->level_ + 1 : 0), parent_(parent), function_(&function) {}

  void store(const std::string& name);
  void load(const std::string& name);
  std::string declare_parameter(const std::string& name);
  /// The variable of that name here or further out; no identifier if there is none.
  Reference find(const std::string& name) const;

  void analyze(const Body& body);
  void analyze(const Statement& statement);
  void analyze(const Expression& expression, bool as_parameter = false);

  const std::vector<std::pair<std::string, SymbolLoad>>& loads() const { return loads_; }
  FunctionBuilder& function() const { return *function_; }

 private:
  void analyze_if(const Statement& statement);
  void merge_branches(const std::vector<Symbols>& branches);
  std::string define(const std::string& name, SymbolLoad load);
  void set_load(const std::string& identifier, SymbolLoad load);

  int level_;
  Symbols* parent_;
  FunctionBuilder* function_;
  std::map<std::string, std::string> refs_;
  std::vector<std::pair<std::string, SymbolLoad>> loads_;
  std::map<std::string, std::size_t> load_index_;
  std::set<std::string> stores_;
};

/// Which of `names` the body reads before anything in it declares them.
std::set<std::string> find_undeclared(const Body& body, std::set<std::string> names);
/// Line of a `set loop` or a loop variable named `loop` inside a `for`, or 0.
int find_store_of_loop(const Statement& loop);

/// Gives every variable its slot and finds all filters. @throws Failure for what does not compile.
void bind(Program& program);

}  // namespace attune::text::jinja
