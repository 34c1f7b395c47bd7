// The value head: the return that the policy expects from a token on. Its tensors are named as TRL's
// AutoModelForCausalLMWithValueHead names them, beside the language model's own.
#include "model/signal.h"

namespace attune::model {
namespace {

class Value final : public Signal {
 public:
  std::string name() const override { return "value"; }
  std::string summary() const override {
    return "value head w · h + b at the position: the return expected from there on";
  }
  HeadInfo head() const override { return {.name = "value", .path = "v_head.summary", .bias = true}; }
};

}  // namespace

const Signal* signal_value() {
  static const Value signal;
  return &signal;
}

}  // namespace attune::model
