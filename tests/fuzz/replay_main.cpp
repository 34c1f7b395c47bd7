// Runs a fuzz target once over every file of the folders given, with any compiler: what fuzzing found once is
// checked in each run of the tests.
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <vector>

#include "core/files/files.h"
#include "tests/fuzz/input.h"

int main(int argc, char** argv) {
  std::vector<std::filesystem::path> files;
  for (int i = 1; i < argc; ++i)
    for (const auto& entry : std::filesystem::recursive_directory_iterator(argv[i]))
      if (entry.is_regular_file()) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  if (files.empty()) {
    std::fprintf(stderr, "no inputs; give the folder of a corpus\n");
    return 1;
  }
  for (const auto& file : files) {
    std::fprintf(stderr, "%s\n", file.c_str());  // before the run: the last line names what crashed
    const std::string bytes = attune::core::read_file(file.string());
    LLVMFuzzerTestOneInput(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
  }
  std::fprintf(stderr, "%zu inputs of %s\n", files.size(), argv[0]);
  return 0;
}
