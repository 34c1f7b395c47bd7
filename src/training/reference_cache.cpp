#include "training/reference_cache.h"

#include <ATen/ATen.h>

#include "core/error.h"
#include "core/files.h"
#include "training/tensor_file.h"

namespace attune::training {
namespace {

/// All candidates of a row as a step without feedback.
Step step_of(const data::TokenizedRow& row, const model::ModelConfig& config) {
  Step step;
  for (const auto& candidate : row.candidates) {
    data::PackItem item;
    item.ids.assign(row.prompt.begin(), row.prompt.end());
    item.ids.insert(item.ids.end(), candidate.completion.begin(), candidate.completion.end());
    item.prompt_length = static_cast<std::int32_t>(row.prompt.size());
    item.mask.assign(candidate.mask.begin(), candidate.mask.end());
    item.table = config.table_of(static_cast<std::int64_t>(item.ids.size()));
    step.items.push_back(std::move(item));
  }
  return step;
}

}  // namespace

ReferenceCache::ReferenceCache(const data::Dataset& data, Engine& engine, algorithm::Source source,
                               const model::Model& start, const std::string& folder) {
  std::size_t first = 0;
  for (std::int64_t i = 0; i < data.size(); ++i) {
    const auto row = data.row(i);
    first_of_row_[row.index] = first;
    first += row.candidates.size();
  }
  core::ensure_folder(folder);
  const std::uint64_t key = data.summary().fingerprint ^ (start.fingerprint() * 0x9e3779b97f4a7c15ULL);
  const std::string path = folder + fmt::format("/reference-{:016x}.safetensors", key);
  if (load(path, data)) return;
  compute(data, engine, source, start);
  save(path);
}

void ReferenceCache::compute(const data::Dataset& data, Engine& engine, algorithm::Source source,
                             const model::Model& start) {
  offsets_ = {0};
  values_.clear();
  for (std::int64_t i = 0; i < data.size(); ++i) {
    for (const auto& logps : engine.read(step_of(data.row(i), start.config()), "logps", source)) {
      values_.insert(values_.end(), logps.begin(), logps.end());
      offsets_.push_back(static_cast<std::int64_t>(values_.size()));
    }
  }
}

void ReferenceCache::save(const std::string& path) const {
  save_tensors(path,
               {{"offsets", at::tensor(offsets_, at::kLong)}, {"values", at::tensor(values_, at::kDouble)}});
}

bool ReferenceCache::load(const std::string& path, const data::Dataset& data) {
  if (!core::fs::exists(path)) return false;
  try {
    const auto tensors = load_tensors(path);
    const at::Tensor offsets = tensors.at("offsets").contiguous(), values = tensors.at("values").contiguous();
    if (offsets.size(0) != data.summary().candidates + 1) return false;
    offsets_.assign(offsets.data_ptr<std::int64_t>(), offsets.data_ptr<std::int64_t>() + offsets.numel());
    values_.assign(values.data_ptr<double>(), values.data_ptr<double>() + values.numel());
    return offsets_.back() == values.numel();
  } catch (const std::exception&) {
    return false;  // a damaged cache is computed anew
  }
}

void ReferenceCache::fill(Step& step) const {
  auto& known = step.known["ref_logps"];
  for (std::size_t i = 0; i < step.items.size(); ++i) {
    ATTUNE_ASSERT(step.row_candidates[i] >= 0);
    const std::size_t candidate =
        first_of_row_.at(step.rows[i]) + static_cast<std::size_t>(step.row_candidates[i]);
    known.emplace_back(values_.begin() + offsets_[candidate], values_.begin() + offsets_[candidate + 1]);
  }
}

}  // namespace attune::training
