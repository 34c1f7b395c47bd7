// What the reference says of everything a run will train on, computed once before it starts and kept in a
// file, so that full fine-tuning needs no second model in memory and later epochs no second forward pass. For
// most methods that is one log-probability a token; methods that compare whole distributions get them from
// the last hidden states, D numbers a token instead of V.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "training/run/data_stream.h"
#include "training/step/engine.h"

namespace attune::training {

enum class Cached { kLogps, kHidden };

/// Where the reference of one method's steps comes from while the cache is filled.
struct CacheSource {
  Engine& engine;
  algorithm::Source source;  ///< kPolicy while the policy still is the start of a full fine-tuning run
  Cached what;
  std::uint64_t fingerprint;  ///< of the reference's weights
};

class ReferenceCache {
 public:
  /// Reads the file of this (reference, data) and computes what it lacks of the first `updates` steps of the
  /// stream: derived candidates (KTO's mismatched completions) depend on the order of rows, so the stream is
  /// walked as training will walk it.
  /// @param folder where the file is kept; a damaged one is computed anew
  ReferenceCache(DataStream stream, std::int64_t updates, const algorithm::Method& method,
                 const model::ModelConfig& config, const CacheSource& reference, const std::string& folder);
  /// Sets step.known["ref_logps"] or step.reference_hidden. Every candidate must have been walked over.
  void fill(Step& step) const;

 private:
  /// Computes the candidates of a step that are not known yet.
  void add(const Step& step, const CacheSource& reference);
  void load(const std::string& path);
  void save(const std::string& path) const;

  Cached what_;
  std::unordered_map<std::uint64_t, at::Tensor>
      numbers_;  ///< fingerprint of a sequence → [tokens] or [tokens, D]
};

}  // namespace attune::training
