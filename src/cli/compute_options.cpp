#include "cli/compute_options.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <charconv>
#include <thread>

#include "core/error.h"

namespace attune::cli {
namespace {

constexpr std::int64_t kMostThreads = 4096;

/// n of "cuda:n"; 0 for "cuda"; -1 for anything else.
int cuda_index(const std::string& device) {
  if (device == "cuda") return 0;
  if (device.rfind("cuda:", 0) != 0) return -1;
  int index = -1;
  const char* end = device.data() + device.size();
  const auto [stop, code] = std::from_chars(device.data() + 5, end, index);
  return code == std::errc() && stop == end ? index : -1;
}

}  // namespace

void ComputeOptions::declare(core::Fields& fields) {
  fields.add("device", device, "Where to compute: auto, cpu, cuda or cuda:N.");
  fields.add("threads", threads, "Threads; 0 takes all cores.").range(0, kMostThreads);
  fields.add("seed", seed, "Seed of every random number.").non_negative();
}

void ComputeOptions::apply() {
  const std::int64_t devices = at::hasCUDA() ? static_cast<std::int64_t>(at::getNumGPUs()) : 0;
  if (device == "auto") device = devices > 0 ? "cuda:0" : "cpu";
  if (device != "cpu") {
    const int index = cuda_index(device);
    if (index < 0) core::fail_request("device must be auto, cpu, cuda or cuda:N, found '{}'", device);
    if (index >= devices) {
      core::fail_request("device={}: this machine and build have {} CUDA devices; use device=cpu", device,
                         devices);
    }
    device = "cuda:" + std::to_string(index);
  }
  if (threads == 0) threads = std::max<std::int64_t>(1, std::thread::hardware_concurrency());
  at::set_num_threads(static_cast<int>(threads));
}

}  // namespace attune::cli
