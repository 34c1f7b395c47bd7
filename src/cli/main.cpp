#include <malloc.h>

#include <csignal>
#include <string>
#include <vector>

#include "cli/command.h"

int main(int argc, char** argv) {
  // A closed pipe is an error where it is written to (a reader that stops, a reward program that crashed),
  // not the end.
  std::signal(SIGPIPE, SIG_IGN);
  // Large tensors come and go with every micro-batch: keep their memory instead of giving it back to the
  // system and faulting it in again (10 to 35 % of a training step with the default thresholds).
  constexpr int kKeep = 256 << 20;
  mallopt(M_MMAP_THRESHOLD, kKeep);
  mallopt(M_TRIM_THRESHOLD, kKeep);
  try {
    return attune::cli::run_program(std::vector<std::string>(argv + 1, argv + argc));
  } catch (const attune::cli::OutputClosed&) {
    return 141;  // as a shell reports a program ended by a closed pipe
  }
}
