// The reference's log-probabilities of everything a run will train on, computed once before it starts and
// kept in a file, so that full fine-tuning needs no second model in memory and later epochs no second forward
// pass.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "training/data_stream.h"
#include "training/engine.h"

namespace attune::training {

/// Where the reference of one method's steps comes from while the cache is filled.
struct CacheSource {
  Engine& engine;
  algorithm::Source source;   ///< kPolicy while the policy still is the start of a full fine-tuning run
  std::uint64_t fingerprint;  ///< of the reference's weights
};

class ReferenceCache {
 public:
  /// Reads the file of this (reference, data) and computes what it lacks of the first `updates` steps of the
  /// stream: derived candidates (KTO's mismatched completions) depend on the order of rows, so the stream is
  /// walked as training will walk it.
  /// @param folder where the file is kept; a damaged one is computed anew
  ReferenceCache(DataStream stream, std::int64_t updates, const algorithm::Method& method,
                 const PairingOptions& pairing, const model::ModelConfig& config,
                 const CacheSource& reference, const std::string& folder);
  /// Sets step.known["ref_logps"]. Every candidate must have been walked over.
  void fill(Step& step) const;

 private:
  /// Computes the candidates of a step that are not known yet.
  void add(const Step& step, const CacheSource& reference);
  void load(const std::string& path);
  void save(const std::string& path) const;

  std::unordered_map<std::uint64_t, std::int64_t>
      place_;                                ///< fingerprint of a sequence → its place in offsets_
  std::vector<std::int64_t> offsets_ = {0};  ///< [sequences + 1]
  std::vector<double> values_;
};

}  // namespace attune::training
