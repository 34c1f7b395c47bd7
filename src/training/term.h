// One method of a run with the data it learns from, and how far it is within its present step.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "algorithm/method.h"
#include "training/options.h"
#include "training/reference/cache.h"
#include "training/step/engine.h"
#include "training/step/source.h"

namespace attune::training {

/// The parts of a prepared step that are still to be learned from.
class StepProgress {
 public:
  bool between_steps() const { return next_ == total_; }
  void begin(PreparedStep prepared, const StepUse& use);
  const PreparedStep& prepared() const { return prepared_; }
  /// Items of the part that the present update learns from.
  const std::vector<std::int64_t>& part() const {
    return parts_[static_cast<std::size_t>(next_) % parts_.size()];
  }
  bool first() const { return next_ == 0; }
  void advance();

 private:
  PreparedStep prepared_;
  std::vector<std::vector<std::int64_t>> parts_;
  std::int64_t next_ = 0, total_ = 0;
};

/// One method of a recipe. Several make a weighted sum.
struct MethodTerm {
  std::string name;
  std::unique_ptr<algorithm::Method> method;
  double weight = 1;
  data::Dataset data;
  std::unique_ptr<StepSource> steps;
  std::optional<data::Dataset> eval;
  algorithm::State state{};
  std::shared_ptr<const ReferenceCache> cache{},
      eval_cache{};  ///< null: the reference is computed at every step
  StepProgress progress{};
  std::string file{};  ///< the data's name, for people
};

/// What one update has learned from a term.
struct TermUpdate {
  StepResult result;
  std::int64_t tokens = 0;  ///< of every sequence (TRL's num_tokens)
};

/// Learns from the next part of the term's step, which it draws when the last one is done. Nothing where a
/// batch has nothing to say (all ties).
/// @param update number of this update, from 1. @param on_step called with a fresh step before anything is
/// computed
std::optional<TermUpdate> learn_once(MethodTerm& term, const Engine& engine, std::uint64_t update,
                                     const std::function<void(Step&)>& on_step);

/// Held-out data in the order of the file, in batches as large as training's.
std::unique_ptr<StepSource> evaluation_steps(const MethodTerm& term, const TrainingOptions& options,
                                             const model::ModelConfig& config);

/// Updates of a run whose epoch has so many updates: max_steps, or what the epochs come to; at least one.
std::int64_t updates_in(const TrainingOptions& options, double updates_per_epoch);
/// Updates of a whole run: max_steps, or what the epochs of the first method's data come to.
std::int64_t total_updates(const std::vector<MethodTerm>& terms, const TrainingOptions& options);

}  // namespace attune::training
