#include "training/processes.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <functional>

#include "core/error.h"

#ifdef USE_C10D_GLOO  // with the headers of libgloo at hand; the code itself is in libtorch
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>
#endif

namespace attune::training {
namespace {

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::int64_t number_in(const char* name, std::int64_t least, std::int64_t most) {
  const std::string text = variable(name);
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < least || value > most)
    core::fail_request(
        "WORLD_SIZE is set, so that this is one of several processes, but {} is '{}'; a whole number from {} "
        "to {} is needed. torchrun sets both",
        name, text, least, most);
  return value;
}

}  // namespace

#ifdef USE_C10D_GLOO

class Processes::Connection {
 public:
  Connection(std::int64_t rank, std::int64_t size) {
    c10d::TCPStoreOptions options;
    options.port = static_cast<std::uint16_t>(number_in("MASTER_PORT", 1, 65535));
    // torchrun keeps the store in its own process; without it the first rank does.
    options.isServer = rank == 0 && variable("TORCHELASTIC_USE_AGENT_STORE") != "True";
    options.numWorkers = static_cast<std::size_t>(size);
    options.multiTenant = true;
    const std::string host = variable("MASTER_ADDR");
    if (host.empty()) core::fail_request("WORLD_SIZE is set, but MASTER_ADDR is not; torchrun sets both");
    attempt([&] {
      // After a restart by torchrun the store still holds the keys of the attempt before.
      const auto store =
          c10::make_intrusive<c10d::PrefixStore>("attune/" + variable("TORCHELASTIC_RESTART_COUNT"),
                                                 c10::make_intrusive<c10d::TCPStore>(host, options));
      gloo_ =
          c10::make_intrusive<c10d::ProcessGroupGloo>(store, static_cast<int>(rank), static_cast<int>(size),
                                                      c10d::ProcessGroupGloo::Options::create_default());
    });
  }

  void sum(at::Tensor& numbers) {
    std::vector<at::Tensor> tensors = {numbers};
    attempt([&] { gloo_->allreduce(tensors)->wait(); });
  }

  std::vector<at::Tensor> gather(at::Tensor part, std::int64_t size) {
    std::vector<std::vector<at::Tensor>> all(1);
    for (std::int64_t i = 0; i < size; ++i) all.front().push_back(at::empty_like(part));
    std::vector<at::Tensor> parts = {std::move(part)};
    attempt([&] { gloo_->allgather(all, parts)->wait(); });
    return std::move(all.front());
  }

 private:
  static void attempt(const std::function<void()>& exchange) {
    try {
      exchange();
    } catch (const std::exception& error) {
      core::fail_run(
          "the processes that train together lost each other: one has ended, and says why, or the "
          "network between them failed ({})",
          error.what());
    }
  }

  c10::intrusive_ptr<c10d::ProcessGroupGloo> gloo_;
};

#else

class Processes::Connection {
 public:
  Connection(std::int64_t, std::int64_t size) {
    core::fail_request(
        "WORLD_SIZE is {}, but this program was built without the headers of libgloo, and trains in one "
        "process only; install libgloo-dev and build again",
        size);
  }
  void sum(at::Tensor&) {}
  std::vector<at::Tensor> gather(const at::Tensor&, std::int64_t) { return {}; }
};

#endif

Processes Processes::from_environment() {
  Processes processes;
  if (variable("WORLD_SIZE").empty()) return processes;
  processes.size_ = number_in("WORLD_SIZE", 1, 1 << 20);
  if (processes.size_ == 1) return processes;
  processes.rank_ = number_in("RANK", 0, processes.size_ - 1);
  processes.connection_ = std::make_shared<Connection>(processes.rank_, processes.size_);
  return processes;
}

void Processes::sum(at::Tensor& numbers) const {
  if (alone() || numbers.numel() == 0) return;
  at::Tensor here =
      numbers.detach().to(at::kCPU).contiguous();  // the numbers themselves where they lie so already
  connection_->sum(here);
  if (here.const_data_ptr() != numbers.const_data_ptr()) numbers.detach().copy_(here);
}

std::vector<at::Tensor> Processes::gather_bytes(const at::Tensor& bytes) const {
  const auto counts = connection_->gather(at::full({1}, bytes.numel(), at::kLong), size_);
  std::int64_t longest = 0;
  for (const auto& count : counts) longest = std::max(longest, count.item<std::int64_t>());
  if (longest == 0) return std::vector<at::Tensor>(counts.size(), bytes);
  at::Tensor padded = at::zeros({longest}, at::kByte);
  padded.narrow(0, 0, bytes.numel()).copy_(bytes);
  auto parts = connection_->gather(padded, size_);
  for (std::size_t i = 0; i < parts.size(); ++i)
    parts[i] = parts[i].narrow(0, 0, counts[i].item<std::int64_t>());
  return parts;
}

at::Tensor Processes::gather(const at::Tensor& rows) const {
  if (alone()) return rows;
  ATTUNE_ASSERT(rows.scalar_type() == at::kDouble && (rows.dim() == 1 || rows.dim() == 2));
  // Who has no rows may not know how wide they are: the others tell.
  const std::int64_t wide = rows.size(0) > 0 && rows.dim() == 2 ? rows.size(1) : 0;
  std::int64_t width = 0;
  for (const auto& each : connection_->gather(at::full({1}, wide, at::kLong), size_))
    width = std::max(width, each.item<std::int64_t>());
  std::vector<at::Tensor> parts;
  for (const auto& bytes : gather_bytes(rows.contiguous().flatten().view(at::kByte)))
    parts.push_back(bytes.clone().view(at::kDouble));
  const at::Tensor all = at::cat(parts);
  return width > 0 ? all.view({-1, width}) : all;
}

std::vector<std::string> Processes::gather(const std::string& text) const {
  if (alone()) return {text};
  at::Tensor bytes = at::empty({static_cast<std::int64_t>(text.size())}, at::kByte);
  if (!text.empty()) std::memcpy(bytes.data_ptr(), text.data(), text.size());
  std::vector<std::string> texts;
  for (const auto& part : gather_bytes(bytes)) {
    const at::Tensor whole = part.contiguous();
    texts.emplace_back(static_cast<const char*>(whole.const_data_ptr()),
                       static_cast<std::size_t>(whole.numel()));
  }
  return texts;
}

bool Processes::any(bool here) const {
  if (alone()) return here;
  at::Tensor count = at::full({1}, here ? 1 : 0, at::kDouble);
  sum(count);
  return count.item<double>() > 0;
}

}  // namespace attune::training
