// The processes that train together. Each reads the same data in the same order and computes its share of
// every step; signals are gathered and gradients summed between them, so that a run on several gives what it
// gives on one, to rounding, and no method knows of it. A process alone does nothing here.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace attune::training {

/// A handle: copies speak for the same processes. Every process makes the same calls in the same order; a
/// call returns when all have made it. @throws Error{kRun} when one of them is gone
class Processes {
 public:
  Processes() = default;  ///< this process alone

  /// Those that the environment tells of as torchrun does (RANK, WORLD_SIZE, MASTER_ADDR, MASTER_PORT),
  /// connected over Gloo; without WORLD_SIZE, or with 1, this process alone.
  /// @throws Error{kRequest} when a variable is missing or no number, Error{kRun} when the others cannot be
  /// reached
  static Processes from_environment();

  std::int64_t rank() const { return rank_; }  ///< 0 … size − 1
  std::int64_t size() const { return size_; }
  bool alone() const { return size_ == 1; }
  /// Whether this is the process that writes files and speaks to people.
  bool leads() const { return rank_ == 0; }

  /// Replaces float32 or float64 numbers of one shape by their sum over all processes: the same bytes on
  /// each.
  void sum(at::Tensor& numbers) const;
  /// The rows of all processes, in the order of ranks. @param rows float64 [n] or [n, K] on the processor; n
  /// may differ between processes and be 0, and what has no rows may have any K
  at::Tensor gather(const at::Tensor& rows) const;
  /// The texts of all processes, in the order of ranks.
  std::vector<std::string> gather(const std::string& text) const;
  /// Whether it is so on any process. Also what processes wait for each other with.
  bool any(bool here) const;

 private:
  class Connection;
  /// Bytes of all processes, in the order of ranks.
  std::vector<at::Tensor> gather_bytes(const at::Tensor& bytes) const;

  std::int64_t rank_ = 0, size_ = 1;
  std::shared_ptr<Connection> connection_;  ///< null: alone
};

}  // namespace attune::training
