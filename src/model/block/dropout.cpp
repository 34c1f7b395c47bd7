#include "model/block/dropout.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>

#include "core/error.h"
#include "core/files/files.h"
#include "core/random.h"
#include "core/threads.h"

namespace attune::model {
namespace {

constexpr std::int64_t kNumbersPerThread = std::int64_t{1}
                                           << 18;  // a millisecond: worth starting a thread for

}  // namespace

AdapterDropout make_dropout(std::uint64_t seed, const core::Forest& forest) {
  AdapterDropout dropout{.seed = seed, .token_keys = {}};
  dropout.token_keys.reserve(forest.tokens.size());
  for (const auto& segment : forest.segments) {
    ATTUNE_ASSERT(segment.parent < 0);  // with dropout nothing is shared
    const auto* ids = forest.tokens.data() + segment.begin;
    const auto count = static_cast<std::size_t>(segment.end - segment.begin);
    const std::uint64_t text = core::fingerprint({reinterpret_cast<const char*>(ids), count * sizeof(*ids)});
    for (std::size_t i = 0; i < count; ++i) dropout.token_keys.push_back(text + i);
  }
  return dropout;
}

at::Tensor dropout_mask(const AdapterDropout& dropout, std::string_view path, double rate, std::int64_t width,
                        const at::Tensor& like) {
  const auto rows = static_cast<std::int64_t>(dropout.token_keys.size());
  at::Tensor mask = at::empty({rows, width}, at::kFloat);
  float* data = mask.mutable_data_ptr<float>();
  const std::uint64_t place = core::fingerprint(path);
  const auto keep = static_cast<float>(1 / (1 - rate));
  const auto threshold = static_cast<std::uint32_t>(rate * 4294967296.0);
  const std::int64_t workers =
      std::clamp<std::int64_t>(rows * width / kNumbersPerThread, 1, at::get_num_threads());
  core::parallel_for(rows, workers, [&](std::int64_t /*worker*/, std::int64_t from, std::int64_t to) {
    for (std::int64_t r = from; r < to; ++r) {
      const std::uint64_t row = core::random_bits({.seed = dropout.seed,
                                                   .purpose = core::Purpose::kDropout,
                                                   .record = dropout.token_keys[static_cast<std::size_t>(r)],
                                                   .token = place});
      for (std::int64_t c = 0; c < width; c += 4) {
        const auto words =
            core::philox({static_cast<std::uint32_t>(c), 0, 0, 0},
                         {static_cast<std::uint32_t>(row), static_cast<std::uint32_t>(row >> 32)});
        for (std::int64_t i = 0; i < 4 && c + i < width; ++i)
          data[r * width + c + i] = words[static_cast<std::size_t>(i)] < threshold ? 0.0F : keep;
      }
    }
  });
  return mask.to(like.options());
}

}  // namespace attune::model
