#include "cli/compute_options.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <thread>

#include "core/error.h"
#include "model/block/kernels.h"

namespace attune::cli {
namespace {

constexpr std::int64_t kMostThreads = 4096;

}  // namespace

void ComputeOptions::declare(core::Fields& fields) {
  fields.add("device", device, "Where to compute: auto or cpu; cuda is refused in this version.");
  fields.add("threads", threads, "Threads; 0 takes all cores.").range(0, kMostThreads);
  fields.add("seed", seed, "Seed of every random number.").non_negative();
  fields
      .add("kernels", kernels,
           "native: kernels for the processor; library: their twins of library operations; auto: as built.")
      .one_of({"auto", "native", "library"});
}

void ComputeOptions::apply() {
  const bool cuda = device == "cuda" || device.starts_with("cuda:");
  if (device != "auto" && device != "cpu" && !cuda)
    core::fail_request("device must be auto, cpu, cuda or cuda:N, found '{}'", device);
  // Better refused than computed elsewhere than asked for.
  if (cuda)
    core::fail_request("device={}: this version computes on the processor only; use device=cpu", device);
  device = "cpu";
  if (threads == 0) threads = std::max<std::int64_t>(1, std::thread::hardware_concurrency());
  at::set_num_threads(static_cast<int>(threads));
  if (kernels != "auto") model::set_kernels(model::kernels_from(kernels, "kernels"));
  kernels = model::kernels() == model::Kernels::kNative ? "native" : "library";
}

}  // namespace attune::cli
