// The KV cache of sequences that grow, fork and shrink. It lies in blocks; what sequences have in common is
// stored once and never written.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "model/decode/attention.h"

namespace attune::model {

/// A block's floats (KvShape::block_floats()), aligned to 64 bytes; freed with its last owner.
using KvBlock = std::shared_ptr<float>;

/// Gives out blocks of one shape and counts those in use. May go before its blocks do. For one thread.
class KvPool {
 public:
  explicit KvPool(const KvShape& shape);
  const KvShape& shape() const { return shape_; }
  /// A block of zeros.
  KvBlock take() const;
  /// Blocks that some sequence still holds; shared ones count once.
  std::int64_t blocks_in_use() const { return *in_use_; }

 private:
  KvShape shape_;
  std::shared_ptr<std::int64_t> in_use_;
};

/// The cache of one growing sequence: positions 0 to size() - 1.
class KvSequence {
 public:
  /// @param pool outlives the sequence
  explicit KvSequence(const KvPool& pool) : pool_(&pool) {}
  KvSequence(KvSequence&&) noexcept = default;
  KvSequence& operator=(KvSequence&&) noexcept = default;

  std::int32_t size() const;
  /// In order of position; the last one may have room left.
  std::span<const KvBlockRef> blocks() const { return blocks_; }

  /// Makes room for position size() and returns all blocks, the new position in the last one. A block that
  /// others share is copied before it is written.
  std::span<const KvBlockRef> extend();
  /// What is here now stays as it is: the next position begins a block, here and in every fork, so that forks
  /// behind a prompt share all of it instead of copying its last block.
  void seal() { sealed_ = blocks_.size(); }
  /// A second sequence with the same positions; no block is copied before one of them writes to it.
  KvSequence fork() const { return *this; }
  /// Forgets the positions from `size` on; what was computed for the others stays valid. 0 <= size <= size()
  void truncate(std::int32_t size);

 private:
  KvSequence(const KvSequence&) = default;
  void append_block();
  void own_last_block();

  const KvPool* pool_;
  std::vector<KvBlock> owners_;     ///< of the blocks, in the same order
  std::vector<KvBlockRef> blocks_;  ///< as attention reads them
  std::size_t sealed_ = 0;          ///< so many blocks are never written again
};

/// A prompt that has been read: its keys and values, and the hidden state that gives its next token.
struct ReadPrompt {
  KvSequence cache;   ///< sealed
  at::Tensor hidden;  ///< [D] at the last token, after the final norm
};

}  // namespace attune::model
