// The reward head: what a sequence is worth, read at its last token. Files of sequence classifiers have it.
#include "model/signal.h"

namespace attune::model {
namespace {

class Score final : public Signal {
 public:
  std::string name() const override { return "score"; }
  std::string summary() const override { return "reward head w · h at the position"; }
  HeadInfo head() const override { return {.name = "score", .path = "score"}; }
};

}  // namespace

const Signal* signal_score() {
  static const Score signal;
  return &signal;
}

}  // namespace attune::model
