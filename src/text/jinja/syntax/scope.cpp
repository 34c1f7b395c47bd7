#include "text/jinja/syntax/scope.h"

#include <algorithm>

#include <fmt/format.h>

namespace attune::text::jinja {
namespace {

/// Walks a tree in jinja2's order of fields and calls `visit` for every name.
template <class Visit>
void walk(const Expression& node, const Visit& visit) {
  if (node.kind == ExpressionKind::kName) visit(node);
  for (const auto& child : node.children)
    if (child) walk(*child, visit);
}

template <class Visit>
void walk_all(const std::vector<ExpressionPtr>& nodes, const Visit& visit) {
  for (const auto& node : nodes) walk(*node, visit);
}

template <class Visit>
void walk(const Body& body, const Visit& visit) {
  const auto one = [&](const ExpressionPtr& node) {
    if (node) walk(*node, visit);
  };
  for (const auto& statement : body) {
    const bool macro = statement->kind == StatementKind::kMacro;
    const bool filter_block = statement->kind == StatementKind::kFilterBlock;
    walk_all(statement->outputs, visit);
    if (!macro) one(statement->target);
    if (!filter_block) one(statement->value);
    walk_all(statement->targets, visit);
    walk_all(statement->values, visit);
    walk_all(statement->signature.names, visit);
    walk_all(statement->signature.defaults, visit);
    walk(statement->body, visit);
    if (filter_block) one(statement->value);
    walk(statement->branches, visit);
    walk(statement->otherwise, visit);
    one(statement->condition);
  }
}

}  // namespace

int FunctionBuilder::slot(const std::string& identifier) {
  const auto [it, added] = slots.emplace(identifier, shape.slots);
  if (added) ++shape.slots;
  return it->second;
}

void FunctionBuilder::charge(std::size_t amount) {
  constexpr std::size_t kMaxWork = 3'000'000;
  FunctionBuilder* root = this;
  while (root->parent) root = root->parent;
  root->work += amount;
  if (root->work > kMaxWork)
    throw Failure(FailureKind::kLimit, "the template has too many variables in too many branches", 1);
}

void Symbols::set_load(const std::string& identifier, SymbolLoad load) {
  const auto [it, added] = load_index_.emplace(identifier, loads_.size());
  if (added)
    loads_.emplace_back(identifier, std::move(load));
  else
    loads_[it->second].second = std::move(load);
}

std::string Symbols::define(const std::string& name, SymbolLoad load) {
  std::string identifier = fmt::format("l_{}_{}", level_, name);
  refs_[name] = identifier;
  set_load(identifier, std::move(load));
  return identifier;
}

Symbols::Reference Symbols::find(const std::string& name) const {
  for (const Symbols* at = this; at; at = at->parent_)
    if (const auto it = at->refs_.find(name); it != at->refs_.end()) return {it->second, at->function_};
  return {};
}

void Symbols::store(const std::string& name) {
  stores_.insert(name);
  if (refs_.count(name)) return;
  const Reference outer = parent_ ? parent_->find(name) : Reference();
  if (outer.function)
    define(name, {Action::kAlias, name, outer});
  else
    define(name, {Action::kUndefined, name, {}});
}

void Symbols::load(const std::string& name) {
  if (!find(name).function) define(name, {Action::kResolve, name, {}});
}

std::string Symbols::declare_parameter(const std::string& name) {
  stores_.insert(name);
  return define(name, {Action::kParameter, name, {}});
}

void Symbols::analyze(const Body& body) {
  for (const auto& statement : body) analyze(*statement);
}

void Symbols::analyze(const Expression& expression, bool as_parameter) {
  if (expression.kind == ExpressionKind::kNamespaceRef) {
    load(expression.text);
  } else if (expression.kind == ExpressionKind::kName) {
    if (as_parameter || expression.parameter)
      declare_parameter(expression.text);
    else if (expression.store)
      store(expression.text);
    else
      load(expression.text);
  }
  for (const auto& child : expression.children)
    if (child) analyze(*child, as_parameter);
}

void Symbols::analyze(const Statement& statement) {
  switch (statement.kind) {
    case StatementKind::kOutput:
      for (const auto& output : statement.outputs) analyze(*output);
      break;
    case StatementKind::kIf:
      analyze_if(statement);
      break;
    case StatementKind::kMacro:
      store(statement.name);
      break;
    case StatementKind::kFor:
    case StatementKind::kCallBlock:
    case StatementKind::kFilterBlock:
      analyze(*statement.value);
      break;
    case StatementKind::kWith:
      for (const auto& value : statement.values) analyze(*value);
      break;
    case StatementKind::kSet:
      analyze(*statement.value);
      analyze(*statement.target);
      break;
    case StatementKind::kSetBlock:
      analyze(*statement.target);
      break;
    default:
      break;
  }
}

void Symbols::analyze_if(const Statement& statement) {
  analyze(*statement.value);
  function_->charge(loads_.size() + 1);
  std::vector<Symbols> branches(3, *this);
  branches[0].analyze(statement.body);
  branches[1].analyze(statement.branches);
  branches[2].analyze(statement.otherwise);
  merge_branches(branches);
}

void Symbols::merge_branches(const std::vector<Symbols>& branches) {
  std::set<std::string> stored;
  for (const auto& branch : branches) stored.insert(branch.stores_.begin(), branch.stores_.end());
  for (const auto& name : stores_) stored.erase(name);
  for (const auto& branch : branches) {
    for (const auto& [name, identifier] : branch.refs_) refs_[name] = identifier;
    for (const auto& [identifier, load] : branch.loads_) set_load(identifier, load);
    stores_.insert(branch.stores_.begin(), branch.stores_.end());
  }
  for (const auto& name : stored) {  // set in one branch only: before that it has its outer value
    const Reference outer = parent_ ? parent_->find(name) : Reference();
    const std::string identifier = find(name).identifier;
    if (outer.function)
      set_load(identifier, {Action::kAlias, name, outer});
    else
      set_load(identifier, {Action::kResolve, name, {}});
  }
}

std::set<std::string> find_undeclared(const Body& body, std::set<std::string> names) {
  std::set<std::string> undeclared;
  walk(body, [&](const Expression& name) {
    if (!name.store && !name.parameter && names.count(name.text))
      undeclared.insert(name.text);
    else
      names.erase(name.text);
  });
  return undeclared;
}

int find_store_of_loop(const Statement& loop) {
  int line = 0;
  const auto visit = [&](const Expression& name) {
    if (line == 0 && name.store && !name.parameter && name.text == "loop") line = name.line;
  };
  walk(*loop.target, visit);
  walk(*loop.value, visit);
  walk(loop.body, visit);
  walk(loop.otherwise, visit);
  return line;
}

}  // namespace attune::text::jinja
