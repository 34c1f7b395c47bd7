// The method interface: a learning method is a small function from signals of models (first of all per-token
// log-probabilities) and feedback to a loss. It sees numbers only. The engine reads the signals, calls
// loss(), differentiates it with respect to every signal that asked for a gradient — these derivatives are
// the coefficients — and pushes them through the model once.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/config/fields.h"
#include "core/forest.h"
#include "core/json.h"

namespace attune::algorithm {

/// What one term of the loss couples. It decides when the engine can run the backward pass:
/// kCandidate and kGroup terms need their own candidate or group; kStep terms need every signal of the step
/// first.
enum class Scope { kCandidate, kGroup, kStep };

/// Which model a signal is read from.
enum class Source {
  kPolicy,     ///< the model being trained
  kReference,  ///< the frozen start (adapter off, a frozen copy, or cached numbers)
  kOld,  ///< the policy that sampled the candidates; equal to kPolicy (detached) when nothing older exists
  kTeacher,  ///< another model, possibly with another prompt; aligned by completion index
};

/// Where a signal is read.
enum class Positions {
  kTokens,    ///< one number per trained completion token
  kLast,      ///< one number per candidate, at its last token
  kStepEnds,  ///< one number per step of the completion, at the step's last token
};

/// One signal that a method reads. `key()` is its name in Batch::signals.
struct Need {
  std::string signal;  ///< a file of model/signal/: "logps", "entropy", "reference_kl", "score" …
  Source source = Source::kPolicy;
  Positions at = Positions::kTokens;
  bool gradient = false;  ///< true: the loss is differentiated with respect to it
  /// true: only metrics want it (entropy, token accuracy). The engine delivers it where it costs little; the
  /// method works without.
  bool optional = false;
  /// "logps", "ref_logps", "old_logps", "teacher_logps": the signal with the source's prefix.
  std::string key() const;
};

/// A signal of the policy that only metrics read.
inline Need metric_need(std::string signal) {
  return {std::move(signal), Source::kPolicy, Positions::kTokens, false, true};
}

/// What a candidate is in its group.
enum class Role { kSampled, kChosen, kRejected, kDerived };

/// What kind of feedback a method learns from. The engine pairs, labels or groups records to fit
/// (data/pairing.h).
enum class Feedback {
  kDemonstrations,  ///< every candidate is accepted (SFT)
  kPairs,           ///< two candidates a group: the first is chosen, the second rejected
  kLabels,          ///< candidates with a good / bad label
  kGroups,          ///< candidates of one prompt with rewards
  kLists,           ///< ranked candidates of one prompt
};

/// An extra candidate that a method asks for besides those of the data.
enum class Derived {
  kNone,
  kMismatched,  ///< KTO: the prompt with the completion of the previous record of the step (Role::kDerived)
};

/// Feedback on one candidate, as the method sees it.
struct Candidate {
  std::int64_t group = 0;  ///< candidates of one prompt share it; contiguous in a batch
  Role role = Role::kSampled;
  double rank = 0;    ///< 0 is best
  bool label = true;  ///< good / bad
  double reward = 0;  ///< NaN: no reward
  double weight =
      1;  ///< importance given by the data: multiplies the candidate's loss term, enters no normaliser
  double margin = 0;  ///< by how much it is preferred, where the data say so
  std::vector<double> step_scores;
  std::string source;      ///< "policy", "reference", "human" …
  bool truncated = false;  ///< cut by the length limit (finish_reason "length")
};

/// Sums over the whole optimiser step, on all processes, known before the forward pass. Dividing by them
/// instead of by what a micro-batch holds is what makes a result independent of how the step is split.
struct Totals {
  double candidates = 0;  ///< without derived ones
  double groups = 0;
  double tokens = 0;  ///< trained completion tokens, without those of derived candidates
  double desirable = 0, undesirable = 0;
  double weight = 0;  ///< sum of candidate weights
  double derived = 0;

  /// Adds the totals of other candidates (another process, another part of the step).
  Totals& operator+=(const Totals& other);
};

/// The totals of these candidates: what an engine calls once a step, before any forward pass.
Totals totals_of(const core::Offsets& offsets, const std::vector<Candidate>& candidates);

/// The numbers of some candidates: a micro-batch of whole groups, or the whole step for Scope::kStep.
struct Batch {
  core::Offsets offsets;  ///< [N+1] trained completion tokens of candidate i are [offsets[i], offsets[i+1])
  std::vector<Candidate> candidates;  ///< [N]
  /// float64, keyed by Need::key(): [offsets[N]] for kTokens, [N] for kLast. Signals with gradient require
  /// grad.
  std::map<std::string, at::Tensor> signals;
  Totals totals;
  /// What prepare() fixed for this step, [N] per name (e.g. "advantages" of a group method).
  std::map<std::string, at::Tensor> prepared;
  /// The same per token, [offsets[N]] per name (e.g. "advantages" of a method with a value head).
  std::map<std::string, at::Tensor> prepared_tokens;

  std::int64_t size() const { return static_cast<std::int64_t>(candidates.size()); }
  /// The signal, or Error{kRequest} that names what is missing (reached from `explain` fixtures).
  const at::Tensor& signal(const std::string& key) const;
  bool has(const std::string& key) const { return signals.count(key) != 0; }
  /// Candidates [first, last), which should be whole groups, with the totals of the whole step.
  Batch slice(std::int64_t first, std::int64_t last) const;
};

/// A metric as sum and count, so that micro-batches and processes add up; the logged value is sum / count
/// (kMean), the sum (kSum), or the extreme.
struct Metric {
  enum class Fold { kMean, kSum, kMin, kMax } fold = Fold::kMean;
  double sum = 0, count = 0;
  static Metric mean(double sum, double count) { return {Fold::kMean, sum, count}; }
  static Metric total(double sum) { return {Fold::kSum, sum, 1}; }
  static Metric min(double value) { return {Fold::kMin, value, 1}; }
  static Metric max(double value) { return {Fold::kMax, value, 1}; }
  void add(const Metric& other);
  double value() const;  ///< NaN for a mean of nothing
};
using Metrics = std::map<std::string, Metric>;
/// Adds a metric to the one of that name, which begins with it where there is none yet.
void fold(Metrics& into, const std::string& name, const Metric& metric);

/// Small named numbers that outlive a step (running means, adaptive coefficients). Saved in checkpoints.
using State = std::map<std::string, std::vector<double>>;

struct Loss {
  at::Tensor value;  ///< float64 scalar; the values of all batches of a step add up to the step's loss
  Metrics metrics;
};

/// A method's card: shown by `attune list methods` and `attune explain`.
struct MethodInfo {
  std::string name;             ///< as in recipes: "dpo"
  std::string title;            ///< "Direct Preference Optimization"
  std::string paper;            ///< "Rafailov et al. 2023, arXiv:2305.18290, eq. 7"
  std::string formula;          ///< plain text, one or a few lines
  std::string summary;          ///< one sentence in words
  std::string departures;       ///< where it differs from the paper or from TRL, and why; "" when it does not
  double learning_rate = 1e-6;  ///< the default that TRL's trainer of this method has
  /// Keys of signals that enter part of the loss as constants ("stop gradient"): their coefficients are meant
  /// to differ from the derivative of the loss's value.
  std::vector<std::string> stopped = {};
  /// Names of TRL that mean this method: {"dpo", "ipo"} makes `{name: dpo, loss_type: ipo}` this one,
  /// {"reward", ""} makes `reward` another name of it.
  std::vector<std::pair<std::string, std::string>> trl_names;
};

/// One method. Options are set through fields() before the first use; afterwards the object is constant.
class Method {
 public:
  virtual ~Method() = default;
  virtual MethodInfo info() const = 0;
  /// The typed options; pointers into this object.
  virtual core::Fields fields() = 0;
  /// Checks options against each other. @throws Error{kRequest}
  virtual void check() const {}
  virtual std::vector<Need> needs() const = 0;
  virtual Scope scope() const = 0;
  virtual Feedback feedback() const = 0;
  virtual Derived derived() const { return Derived::kNone; }
  /// Fixes what stays the same over several updates on one batch. Called once per sampled or read step with
  /// the whole step's candidates (signals of kOld and kReference are there when they are needed); fills
  /// batch.prepared and may change the state.
  virtual void prepare(Batch& /*step*/, State& /*state*/, Metrics& /*metrics*/) const {}
  /// The loss of these candidates. Must not depend on the order of groups.
  virtual Loss loss(const Batch& batch, const State& state) const = 0;
};

/// Generated list: file name → factory, sorted.
const std::vector<std::pair<std::string_view, std::unique_ptr<Method> (*)()>>& method_entries();

/// The method named in a recipe: a name, or a map {name, options…}; TRL's spellings are resolved
/// (`{name: dpo, loss_type: ipo}`). Options are assigned and checked. @throws Error{kRequest} naming the
/// nearest name.
std::unique_ptr<Method> make_method(const core::Value& settings, const std::string& key = "method");

/// Loss and coefficients of a batch. Signals need not require grad: the ones that the method differentiates
/// are detached and become leaves here. prepare() must have run where the method has one.
struct Coefficients {
  double loss = 0;
  Metrics metrics;
  /// −∂loss/∂signal for every need with a gradient, float64, same shapes as the signals.
  std::map<std::string, at::Tensor> by_signal;
};
Coefficients differentiate(const Method& method, const Batch& batch, const State& state);

}  // namespace attune::algorithm
