#include "training/reference_cache.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "core/error.h"
#include "core/files.h"
#include "training/tensor_file.h"

namespace attune::training {
namespace {

std::string_view bytes_of(const auto& numbers) {
  return {reinterpret_cast<const char*>(numbers.data()), numbers.size() * sizeof(numbers[0])};
}

/// Of what its log-probabilities depend on: tokens, where the prompt ends, which tokens count.
std::uint64_t fingerprint_of(const data::PackItem& item) {
  return core::fingerprint(bytes_of(item.mask), core::fingerprint(bytes_of(item.ids)) +
                                                    static_cast<std::uint64_t>(item.prompt_length));
}

std::vector<std::int64_t> integers(const at::Tensor& tensor) {
  const at::Tensor flat = tensor.to(at::kLong).contiguous();
  return {flat.data_ptr<std::int64_t>(), flat.data_ptr<std::int64_t>() + flat.numel()};
}

}  // namespace

ReferenceCache::ReferenceCache(DataStream stream, std::int64_t updates, const algorithm::Method& method,
                               const PairingOptions& pairing, const model::ModelConfig& config,
                               const CacheSource& reference, const std::string& folder) {
  core::ensure_folder(folder);
  const std::uint64_t key =
      stream.data().summary().fingerprint ^ (reference.fingerprint * 0x9e3779b97f4a7c15ULL);
  const std::string path = folder + fmt::format("/reference-{:016x}.safetensors", key);
  load(path);
  const std::size_t known = values_.size();
  const bool repeats = method.derived() == algorithm::Derived::kNone;  // every epoch has the same candidates
  for (std::int64_t i = 0; i < updates && !(repeats && stream.epoch() >= 1); ++i)
    add(assemble_step(stream.next(), method, config, pairing), reference);
  if (values_.size() > known) save(path);
}

void ReferenceCache::add(const Step& step, const CacheSource& reference) {
  Step fresh;
  std::vector<std::uint64_t> keys;
  for (std::size_t i = 0; i < step.items.size(); ++i) {
    const std::uint64_t key = fingerprint_of(step.items[i]);
    if (!place_.try_emplace(key, std::ssize(offsets_) - 1 + std::ssize(keys)).second) continue;
    keys.push_back(key);
    fresh.items.push_back(step.items[i]);
    fresh.candidates.push_back(step.candidates[i]);
  }
  if (keys.empty()) return;
  for (const auto& logps : reference.engine.read(fresh, "logps", reference.source)) {
    values_.insert(values_.end(), logps.begin(), logps.end());
    offsets_.push_back(std::ssize(values_));
  }
}

void ReferenceCache::save(const std::string& path) const {
  std::vector<std::int64_t> keys(place_.size());
  for (const auto& [key, place] : place_)
    keys[static_cast<std::size_t>(place)] = static_cast<std::int64_t>(key);
  save_tensors(path, {{"sequences", at::tensor(keys, at::kLong)},
                      {"offsets", at::tensor(offsets_, at::kLong)},
                      {"values", at::tensor(values_, at::kDouble)}});
}

void ReferenceCache::load(const std::string& path) {
  if (!core::fs::exists(path)) return;
  try {
    const auto tensors = load_tensors(path);
    const auto keys = integers(tensors.at("sequences")), offsets = integers(tensors.at("offsets"));
    const at::Tensor values = tensors.at("values").to(at::kDouble).contiguous();
    if (offsets.size() != keys.size() + 1 || offsets.front() != 0 || offsets.back() != values.numel() ||
        !std::is_sorted(offsets.begin(), offsets.end()))
      return;
    for (std::size_t i = 0; i < keys.size(); ++i)
      place_[static_cast<std::uint64_t>(keys[i])] = static_cast<std::int64_t>(i);
    offsets_ = offsets;
    values_.assign(values.data_ptr<double>(), values.data_ptr<double>() + values.numel());
  } catch (const std::exception&) {
    place_.clear();  // a damaged file is computed anew
  }
}

void ReferenceCache::fill(Step& step) const {
  auto& known = step.known["ref_logps"];
  for (const auto& item : step.items) {
    const auto found = place_.find(fingerprint_of(item));
    ATTUNE_ASSERT(found != place_.end());
    const auto place = static_cast<std::size_t>(found->second);
    known.emplace_back(values_.begin() + offsets_[place], values_.begin() + offsets_[place + 1]);
  }
}

}  // namespace attune::training
