#include "model/block/dropout.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <array>
#include <vector>

#include "core/error.h"
#include "core/files/files.h"
#include "core/random.h"
#include "core/threads.h"
#include "model/block/kernels.h"

namespace attune::model {
namespace {

constexpr std::int64_t kNumbersPerThread = std::int64_t{1}
                                           << 18;  // a millisecond: worth starting a thread for

std::uint32_t drop_threshold(double rate) { return static_cast<std::uint32_t>(rate * 4294967296.0); }

at::Tensor mask_by_kernel(const std::vector<std::uint64_t>& row_keys, double rate, std::int64_t width) {
  const auto rows = static_cast<std::int64_t>(row_keys.size());
  at::Tensor mask = at::empty({rows, width}, at::kFloat);
  float* data = mask.mutable_data_ptr<float>();
  const auto keep = static_cast<float>(1 / (1 - rate));
  const std::uint32_t threshold = drop_threshold(rate);
  const std::int64_t workers =
      std::clamp<std::int64_t>(rows * width / kNumbersPerThread, 1, at::get_num_threads());
  core::parallel_for(rows, workers, [&](std::int64_t /*worker*/, std::int64_t from, std::int64_t to) {
    for (std::int64_t r = from; r < to; ++r) {
      const std::uint64_t row = row_keys[static_cast<std::size_t>(r)];
      for (std::int64_t c = 0; c < width; c += 4) {
        const auto words =
            core::philox({static_cast<std::uint32_t>(c), 0, 0, 0},
                         {static_cast<std::uint32_t>(row), static_cast<std::uint32_t>(row >> 32)});
        for (std::int64_t i = 0; i < 4 && c + i < width; ++i)
          data[r * width + c + i] = words[static_cast<std::size_t>(i)] < threshold ? 0.0F : keep;
      }
    }
  });
  return mask;
}

/// core::philox on whole tensors: 32-bit words in int64, whose products wrap as those of uint64 do.
std::array<at::Tensor, 4> philox_tensors(std::array<at::Tensor, 4> c, std::array<at::Tensor, 2> k) {
  constexpr std::int64_t kWord = 0xFFFFFFFF;
  const auto low = [](const at::Tensor& x) { return x.bitwise_and(kWord); };
  const auto high = [](const at::Tensor& x) { return at::bitwise_right_shift(x, 32).bitwise_and(kWord); };
  for (int round = 0; round < 10; ++round) {
    const at::Tensor p0 = c[0] * std::int64_t{0xD2511F53}, p1 = c[2] * std::int64_t{0xCD9E8D57};
    c = {high(p1).bitwise_xor(c[1]).bitwise_xor(k[0]), low(p1), high(p0).bitwise_xor(c[3]).bitwise_xor(k[1]),
         low(p0)};
    k = {low(k[0] + std::int64_t{0x9E3779B9}), low(k[1] + std::int64_t{0xBB67AE85})};
  }
  return c;
}

at::Tensor mask_by_library(const std::vector<std::uint64_t>& row_keys, double rate, std::int64_t width,
                           const at::Tensor& like) {
  const auto rows = static_cast<std::int64_t>(row_keys.size());
  const auto options = at::TensorOptions().dtype(at::kLong);
  at::Tensor keys = at::empty({2, rows, 1}, options);
  auto* data = keys.mutable_data_ptr<std::int64_t>();
  for (std::int64_t r = 0; r < rows; ++r) {
    const std::uint64_t key = row_keys[static_cast<std::size_t>(r)];
    data[r] = static_cast<std::int64_t>(key & 0xFFFFFFFF);
    data[rows + r] = static_cast<std::int64_t>(key >> 32);
  }
  keys = keys.to(like.device());
  const at::Tensor none = at::zeros({1, 1}, keys.options());
  const auto words = philox_tensors({at::arange(0, width, 4, keys.options()).unsqueeze(0), none, none, none},
                                    {keys[0], keys[1]});
  const at::Tensor drawn =
      at::stack({words[0], words[1], words[2], words[3]}, 2).reshape({rows, -1}).narrow(1, 0, width);
  const auto keep = static_cast<float>(1 / (1 - rate));
  return (drawn >= static_cast<std::int64_t>(drop_threshold(rate)))
      .to(at::kFloat)
      .mul_(keep)
      .to(like.options());
}

}  // namespace

AdapterDropout make_dropout(std::span<const std::uint64_t> sequence_keys, const core::Forest& forest) {
  ATTUNE_ASSERT(sequence_keys.size() == forest.leaf_of.size());
  AdapterDropout dropout{std::vector<std::uint64_t>(forest.tokens.size())};
  for (std::size_t i = 0; i < sequence_keys.size(); ++i) {
    const core::Segment& segment = forest.segments[static_cast<std::size_t>(forest.leaf_of[i])];
    ATTUNE_ASSERT(segment.parent < 0);  // with dropout nothing is shared
    for (std::int32_t t = segment.begin; t < segment.end; ++t)
      dropout.token_keys[static_cast<std::size_t>(t)] =
          core::random_bits({.seed = sequence_keys[i],
                             .purpose = core::Purpose::kDropout,
                             .token = static_cast<std::uint64_t>(t - segment.begin)});
  }
  return dropout;
}

at::Tensor dropout_mask(const AdapterDropout& dropout, std::string_view path, double rate, std::int64_t width,
                        const at::Tensor& like) {
  const std::uint64_t place = core::fingerprint(path);
  std::vector<std::uint64_t> row_keys;
  row_keys.reserve(dropout.token_keys.size());
  for (const std::uint64_t key : dropout.token_keys)
    row_keys.push_back(core::random_bits({.seed = key, .purpose = core::Purpose::kDropout, .record = place}));
  return native_kernels(like) ? mask_by_kernel(row_keys, rate, width).to(like.options())
                              : mask_by_library(row_keys, rate, width, like);
}

}  // namespace attune::model
