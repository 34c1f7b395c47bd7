// Blocks that are called, and macros.
#include <fmt/format.h>

#include "text/jinja/run/frame.h"

namespace attune::text::jinja {

void Interpreter::call_block(const Statement& node, Activation& at) {
  const Value caller(Kind::kObject, std::make_shared<MacroObject>(*this, node, &at));
  write_text(call(*node.value, at, &caller));
}

void Interpreter::generation(const Statement& node, Activation& at) {
  Args none;
  const Value text = call_macro(node, &at, none);
  const std::size_t start = out_.size();
  spans_.emplace_back(start, start + text.text().size());
  if (sink_ != &out_) inner_spans_.emplace_back(start, text.text());
  write(text);
}

Value Interpreter::call_macro(const Statement& node, Activation* closure, Args& args) {
  const Budget::Call counted(runtime_.budget);
  Frame frame(*this, node.macro.function, closure);
  bind_parameters(node, *frame, args);
  enter(node.macro.scope, *frame);
  const std::size_t without_default = node.signature.names.size() - node.signature.defaults.size();
  for (std::size_t i = 0; i < node.signature.names.size(); ++i) {
    Value& slot = (*frame).slots[static_cast<std::size_t>(node.macro.parameters[i])];
    if (!slot.is(Kind::kMissing)) continue;
    slot =
        i >= without_default
            ? evaluate(*node.signature.defaults[i - without_default], *frame)
            : Value::undefined(fmt::format("parameter '{}' was not provided", node.signature.names[i]->text));
  }
  Capture capture(*this);
  execute(node.body, *frame);
  return capture.take();
}

void Interpreter::bind_parameters(const Statement& node, Activation& at, Args& args) {
  const auto& names = node.signature.names;
  const std::size_t positional = std::min(args.positional.size(), names.size());
  const auto take_keyword = [&](const std::string& key) {
    for (auto it = args.keywords.begin(); it != args.keywords.end(); ++it)
      if (it->first == key) {
        Value value = std::move(it->second);
        args.keywords.erase(it);
        return value;
      }
    return Value::missing();
  };
  for (std::size_t i = 0; i < names.size(); ++i)
    at.slots[static_cast<std::size_t>(node.macro.parameters[i])] =
        i < positional ? args.positional[i] : take_keyword(names[i]->text);
  if (node.macro.caller >= 0) {
    const Value caller = take_keyword("caller");
    const bool given = !caller.is(Kind::kMissing) && !caller.is(Kind::kNone);
    at.slots[static_cast<std::size_t>(node.macro.caller)] =
        given ? caller : Value::undefined("No caller defined");
  }
  if (node.macro.keywords >= 0) {
    auto dict = std::make_shared<DictData>();
    for (auto& [key, value] : args.keywords) dict->set(runtime_.string(key), value);
    at.slots[static_cast<std::size_t>(node.macro.keywords)] = make_dict(runtime_.budget, std::move(dict));
  } else if (!args.keywords.empty()) {
    fail_type(fmt::format("macro '{}' takes no keyword argument '{}'", node.name, args.keywords[0].first));
  }
  if (node.macro.varargs >= 0) {
    std::vector<Value> rest(args.positional.begin() + static_cast<std::ptrdiff_t>(positional),
                            args.positional.end());
    at.slots[static_cast<std::size_t>(node.macro.varargs)] = runtime_.tuple(std::move(rest));
  } else if (args.positional.size() > names.size()) {
    fail_type(fmt::format("macro '{}' takes not more than {} argument(s)", node.name, names.size()));
  }
}

}  // namespace attune::text::jinja
