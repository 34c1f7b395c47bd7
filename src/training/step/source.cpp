#include "training/step/source.h"

namespace attune::training {

Step DatasetSteps::next(std::uint64_t update) {
  Step step =
      assemble_step(stream_.next(), method_, config_, stream_.data().use(), {stream_.seed(), 0, update});
  step.number = update;
  return step;
}

}  // namespace attune::training
