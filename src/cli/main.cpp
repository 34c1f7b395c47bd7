#include <malloc.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

#include "cli/command.h"

namespace {

// Ends the program without tearing down libtorch's tables of operators, which takes as long as many a command (0.18 s of
// 0.5 s of `attune --version`) and frees what the system takes back anyway. Everything of ours is closed by then. Leaks are
// looked for on the way out, so builds that look for them leave the long way.
int leave(int code) {
#ifndef ATTUNE_SANITIZED
  std::cout.flush();
  std::cerr.flush();
  std::fflush(nullptr);
  std::_Exit(code);
#endif
  return code;
}

}  // namespace

int main(int argc, char** argv) {
  // A closed pipe is an error where it is written to (a reader that stops, a reward program that crashed),
  // not the end.
  std::signal(SIGPIPE, SIG_IGN);
  // Large tensors come and go with every micro-batch. Where the C library's allocator is the one that is linked,
  // it keeps their memory instead of giving it back to the system and faulting it in again (10 to 35 % of a
  // training step with the default thresholds).
  constexpr int kKeep = 256 << 20;
  mallopt(M_MMAP_THRESHOLD, kKeep);
  mallopt(M_TRIM_THRESHOLD, kKeep);
  try {
    return leave(attune::cli::run_program(std::vector<std::string>(argv + 1, argv + argc)));
  } catch (const attune::cli::OutputClosed&) {
    return leave(141);  // as a shell reports a program ended by a closed pipe
  }
}
