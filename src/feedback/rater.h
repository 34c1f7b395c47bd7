// Whatever gives feedback: rules, reward models, and lists of them. What rates the records of a file rates
// samples of the model.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "generation/rate.h"
#include "record/example.h"

namespace attune::feedback {

/// What a rater says of a candidate beside its feedback.
struct Remark {
  /// Why the candidate has no reward: a short phrase that repeats between candidates; "" when it has one.
  std::string unusable;
  std::map<std::string, double> metrics;  ///< extra numbers of this rater, by their name
};

class Rater {
 public:
  /// @param name what its numbers are called: Candidate::scores, metrics, messages
  explicit Rater(std::string name) : name_(std::move(name)) {}
  virtual ~Rater() = default;
  const std::string& name() const { return name_; }

  /// Rates every candidate of every example: sets its reward (finite) and scores[name()], and whatever else
  /// the rater knows of it (step scores, rank …). A candidate that cannot be rated is left without reward,
  /// whatever it had, and is counted. What was written (prompt, completion, ids) stays as it is.
  /// @return a remark for each candidate, those of the first example first
  /// @throws Error when the rater itself cannot go on (a crashed program, an interrupt)
  std::vector<Remark> rate(std::span<record::Example> examples);

  /// Candidates that were left without reward since this rater was made, by reason.
  const std::map<std::string, std::int64_t>& unusable() const { return unusable_; }

 protected:
  /// Gives each candidate a reward, see give(), or a reason why not. All come without reward and without
  /// scores[name()].
  /// @return as rate() does
  virtual std::vector<Remark> fill(std::span<record::Example> examples) = 0;
  void give(record::Candidate& candidate, double score) const;

 private:
  std::string name_;
  std::map<std::string, std::int64_t> unusable_;
};

/// The candidates of all examples, one after another.
std::vector<record::Candidate*> candidates_of(std::span<record::Example> examples);

/// A rater as rollouts and decoding techniques will call it; it must outlive the function. Candidates that cannot
/// be rated come back without reward and are counted in rater.unusable().
generation::Rate rate_function(Rater& rater);

}  // namespace attune::feedback
