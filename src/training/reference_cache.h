// The reference's log-probabilities of a whole dataset, computed once before training and kept in a file, so
// that full fine-tuning needs no second model in memory and later epochs no second forward pass.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "data/dataset.h"
#include "training/engine.h"

namespace attune::training {

class ReferenceCache {
 public:
  /// Reads the cache of this (model, data), or computes it with the engine's reference and writes it.
  /// @param source kPolicy when the policy still is the start of a full fine-tuning run, else kReference.
  ReferenceCache(const data::Dataset& data, Engine& engine, algorithm::Source source,
                 const model::Model& start, const std::string& folder);
  /// Sets step.known["ref_logps"]. The step must hold no derived candidates.
  void fill(Step& step) const;

 private:
  void compute(const data::Dataset& data, Engine& engine, algorithm::Source source,
               const model::Model& start);
  bool load(const std::string& path, const data::Dataset& data);
  void save(const std::string& path) const;

  std::unordered_map<std::int64_t, std::size_t>
      first_of_row_;                   ///< file row → its first candidate in offsets_
  std::vector<std::int64_t> offsets_;  ///< [candidates + 1]
  std::vector<double> values_;
};

}  // namespace attune::training
