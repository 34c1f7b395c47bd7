#include "model/decode/cache.h"

#include <algorithm>
#include <cstdlib>
#include <new>

#include "core/error.h"

namespace attune::model {

KvPool::KvPool(const KvShape& shape) : shape_(shape), in_use_(std::make_shared<std::int64_t>(0)) {}

KvBlock KvPool::take() const {
  const auto bytes = static_cast<std::size_t>(shape_.block_floats()) * sizeof(float);
  auto* data = static_cast<float*>(std::aligned_alloc(64, (bytes + 63) / 64 * 64));
  if (!data) throw std::bad_alloc();
  // Scores are computed for whole blocks before unused lanes are masked: they must hold numbers.
  std::fill_n(data, shape_.block_floats(), 0.0F);
  ++*in_use_;
  return {data, [count = in_use_](float* block) {
            --*count;
            std::free(block);  // NOLINT: the other half of std::aligned_alloc
          }};
}

std::int32_t KvSequence::size() const {
  return blocks_.empty() ? 0 : blocks_.back().first_position + blocks_.back().count;
}

std::span<const KvBlockRef> KvSequence::extend() {
  if (blocks_.size() == sealed_ || blocks_.back().count == kBlockTokens) {
    append_block();
  } else if (owners_.back().use_count() > 1) {
    own_last_block();
  }
  ++blocks_.back().count;
  return blocks_;
}

void KvSequence::append_block() {
  const std::int32_t position = size();
  owners_.push_back(pool_->take());
  blocks_.push_back({owners_.back().get(), position, 0});
}

void KvSequence::own_last_block() {
  KvBlock copy = pool_->take();
  std::copy_n(owners_.back().get(), pool_->shape().block_floats(), copy.get());
  owners_.back() = std::move(copy);
  blocks_.back().data = owners_.back().get();
}

void KvSequence::truncate(std::int32_t size) {
  ATTUNE_ASSERT(0 <= size && size <= this->size());
  while (!blocks_.empty() && blocks_.back().first_position >= size) {
    blocks_.pop_back();
    owners_.pop_back();
  }
  if (!blocks_.empty()) blocks_.back().count = size - blocks_.back().first_position;
  sealed_ = std::min(sealed_, blocks_.size());
}

}  // namespace attune::model
