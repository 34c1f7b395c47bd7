#include "training/reference/cache.h"

#include <ATen/ATen.h>

#include "core/error.h"
#include "core/files/files.h"
#include "training/tensor_file.h"

namespace attune::training {
namespace {

std::string_view bytes_of(const auto& numbers) {
  return {reinterpret_cast<const char*>(numbers.data()), numbers.size() * sizeof(numbers[0])};
}

/// Of what its log-probabilities depend on: tokens, by id or as vectors, where the prompt ends, which tokens
/// count.
std::uint64_t fingerprint_of(const data::PackItem& item) {
  const std::uint64_t tokens =
      core::fingerprint(bytes_of(item.mask), core::fingerprint(bytes_of(item.ids)) +
                                                 static_cast<std::uint64_t>(item.prompt_length));
  return item.content.empty() ? tokens : core::fingerprint(bytes_of(item.content), tokens);
}

std::vector<std::int64_t> integers(const at::Tensor& tensor) {
  const at::Tensor flat = tensor.to(at::kLong).contiguous();
  return {flat.data_ptr<std::int64_t>(), flat.data_ptr<std::int64_t>() + flat.numel()};
}

}  // namespace

ReferenceCache::ReferenceCache(StepSource& steps, std::int64_t count, bool repeats,
                               const CacheSource& reference, const std::string& folder)
    : what_(reference.what) {
  core::ensure_folder(folder);
  const std::string path =
      folder + fmt::format("/reference-{}-{:016x}.safetensors", what_ == Cached::kLogps ? "logps" : "hidden",
                           reference.fingerprint);
  load(path);
  const std::size_t known = numbers_.size();
  for (std::int64_t i = 0; i < count && !(repeats && steps.epoch() >= 1); ++i)
    add(steps.next(static_cast<std::uint64_t>(i + 1)), reference);
  if (numbers_.size() > known) save(path);
}

void ReferenceCache::add(const Step& step, const CacheSource& reference) {
  std::vector<data::PackItem> fresh;
  std::vector<std::uint64_t> keys;
  std::vector<std::int64_t> lengths;
  for (const auto& item : step.items) {
    const std::uint64_t key = fingerprint_of(item);
    if (!numbers_.try_emplace(key).second) continue;
    keys.push_back(key);
    lengths.push_back(generation::rows_of(item, algorithm::Positions::kTokens));
    fresh.push_back(item);
  }
  if (keys.empty()) return;
  const std::vector<generation::Reading> logps = {{"logps", algorithm::Positions::kTokens}};
  const auto reader = reference.reader.with(step.given.get());
  const at::Tensor numbers = what_ == Cached::kHidden ? reader.hidden(fresh, algorithm::Positions::kTokens)
                                                      : reader.read(fresh, logps).front();
  const auto parts = numbers.split_with_sizes(lengths);
  for (std::size_t i = 0; i < keys.size(); ++i) numbers_[keys[i]] = parts[i].clone();
}

void ReferenceCache::save(const std::string& path) const {
  std::vector<std::int64_t> keys, lengths;
  std::vector<at::Tensor> numbers;
  for (const auto& [key, values] : numbers_) {
    keys.push_back(static_cast<std::int64_t>(key));
    lengths.push_back(values.size(0));
    numbers.push_back(values);
  }
  save_tensors(path, {{"sequences", at::tensor(keys, at::kLong)},
                      {"lengths", at::tensor(lengths, at::kLong)},
                      {"values", at::cat(numbers)}});
}

void ReferenceCache::load(const std::string& path) {
  if (!core::fs::exists(path)) return;
  try {
    const auto tensors = load_tensors(path);
    const auto keys = integers(tensors.at("sequences")), lengths = integers(tensors.at("lengths"));
    const auto parts = tensors.at("values").split_with_sizes(lengths);
    for (std::size_t i = 0; i < keys.size(); ++i) numbers_[static_cast<std::uint64_t>(keys[i])] = parts.at(i);
  } catch (const std::exception&) {
    numbers_.clear();  // a damaged file is computed anew
  }
}

void ReferenceCache::fill(Step& step) const {
  for (const auto& item : step.items) {
    const auto found = numbers_.find(fingerprint_of(item));
    ATTUNE_ASSERT(found != numbers_.end());
    if (what_ == Cached::kHidden) {
      step.reference_hidden.push_back(found->second);
    } else {
      const at::Tensor logps = found->second.contiguous();
      const double* begin = logps.data_ptr<double>();
      step.known["ref_logps"].emplace_back(begin, begin + logps.numel());
    }
  }
}

}  // namespace attune::training
