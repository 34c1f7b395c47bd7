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

#include "training/step/engine.h"
#include "training/step/source.h"

namespace attune::training {

enum class Cached { kLogps, kHidden };

/// Where the reference of one method's steps comes from while the cache is filled.
struct CacheSource {
  generation::Scorer reader;
  Cached what;
  std::uint64_t fingerprint;  ///< of the reference's weights and of the data
};

class ReferenceCache {
 public:
  /// Reads the file of this (reference, data) and computes what it lacks of the first `count` steps: derived
  /// candidates (KTO's mismatched completions) depend on the order of rows, so the steps are walked as
  /// training will walk them.
  /// @param repeats every epoch has the same candidates, so that one is enough
  /// @param folder where the file is kept; a damaged one is computed anew
  ReferenceCache(StepSource& steps, std::int64_t count, bool repeats, const CacheSource& reference,
                 const std::string& folder);
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
