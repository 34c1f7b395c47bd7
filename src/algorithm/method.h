// The method interface: a learning method is a small function from signals of models (first of all per-token
// log-probabilities) and feedback to a loss. It sees numbers only. The engine reads the signals, calls
// loss(), differentiates it with respect to every signal that asked for a gradient — the negatives of these
// derivatives are the coefficients — and pushes them through the model once.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/config/fields.h"
#include "core/forest.h"
#include "core/json.h"
#include "record/candidate.h"
#include "record/feedback_needs.h"
#include "record/group_shape.h"
#include "record/metric_meaning.h"
#include "record/positions.h"

namespace attune::algorithm {

/// What one term of the loss couples. It decides when the engine can run the backward pass:
/// kCandidate and kGroup terms need their own candidate or group; kStep terms need every signal of the step
/// first.
enum class Scope { kCandidate, kGroup, kStep };

using record::Candidate;
using record::GroupShape;
using record::Pair;
using record::Positions;
using record::Role;

/// Which model a signal is read from. All but the policy are frozen.
enum class Source {
  kPolicy,     ///< the model being trained
  kReference,  ///< the frozen start (adapter off, a frozen copy, or cached numbers)
  kOld,        ///< the policy that sampled the candidates: as it was before the first update of the step
  kTeacher,    ///< another model, possibly with another prompt; aligned by completion index
  kReward,     ///< a reward model
  kValue,      ///< a value model of its own
};

/// One signal that a method reads. `key()` is its name in Batch::signals.
struct Need {
  std::string signal;  ///< a file of model/signal/: "logps", "entropy", "reference_kl", "score" …
  Source source = Source::kPolicy;
  Positions at = Positions::kTokens;
  bool gradient = false;  ///< true: the loss is differentiated with respect to it
  /// true: only metrics want it (entropy, token accuracy), and the method works without: a fixture may lack it
  /// (Batch::has). The engine delivers it.
  bool optional = false;
  /// Of signals that compare distributions (exact KL): the other model.
  Source against = Source::kReference;
  /// prepare() reads this signal of kOld, so it is computed before the first update. Otherwise it may be
  /// taken from the policy's own pass of that update, which saves one.
  bool for_prepare = false;
  /// "logps", "ref_logps", "old_logps", "teacher_logps", "reward_score", "value_value": the signal with the
  /// source's prefix; "reference_kl_to_teacher" where the other model is not the reference.
  std::string key() const;
};

/// A signal of the policy that only metrics read.
inline Need metric_need(std::string signal) {
  return {std::move(signal), Source::kPolicy, Positions::kTokens, false, true};
}

/// An extra candidate that a method asks for besides those of the data.
enum class Derived {
  kNone,
  kMismatched,  ///< KTO: the prompt with the completion of the previous record of the step (Role::kDerived)
};

/// Sums over the whole optimiser step, on all processes, known before the forward pass. Dividing by them
/// instead of by what a micro-batch holds is what makes a result independent of how the step is split.
struct Totals {
  double candidates = 0;  ///< without derived ones
  double groups = 0;
  double tokens = 0;  ///< trained completion tokens, without those of derived candidates
  double desirable = 0, undesirable = 0;
  double weight = 0;  ///< sum of candidate weights
  double steps = 0;   ///< scored reasoning steps
  double derived = 0;

  /// Adds the totals of other candidates (another process, another part of the step).
  Totals& operator+=(const Totals& other);
};

/// The totals of these candidates: what an engine calls once a step, before any forward pass.
Totals totals_of(const core::Offsets& offsets, const std::vector<Candidate>& candidates);

/// Numbers about the completions of a batch, and where they were read.
struct Signal {
  Positions at = Positions::kTokens;
  at::Tensor numbers;  ///< float64 [rows of `at`], or [rows, K] of a head with K outputs
};
using Signals = std::map<std::string, Signal>;

/// The numbers of some candidates: a micro-batch of whole groups, or the whole step for Scope::kStep. Rows of
/// a signal: kTokens: offsets, kLast: one a candidate, kStepEnds: step_offsets.
struct Batch {
  core::Offsets offsets;  ///< [N+1] trained completion tokens of candidate i are [offsets[i], offsets[i+1])
  core::Offsets step_offsets;         ///< [N+1] its reasoning steps likewise; empty: there are none
  std::vector<Candidate> candidates;  ///< [N] feedback and place; candidates of a group are neighbours
  std::vector<Pair> pairs;            ///< GroupShape::kPairs: which candidates are compared, in group order
  Signals signals;                    ///< by Need::key(). Those with a gradient require grad.
  Totals totals;
  Signals prepared;  ///< what prepare() fixed for this step, e.g. "advantages" per candidate or per token

  std::int64_t size() const { return static_cast<std::int64_t>(candidates.size()); }
  /// Numbers of a signal, or Error{kRequest} that names what is missing (reached from `explain` fixtures).
  const at::Tensor& signal(const std::string& key) const;
  bool has(const std::string& key) const { return signals.count(key) != 0; }
  /// Keeps numbers for the updates of this step; prepare() calls it.
  void fix(const std::string& name, Positions at, at::Tensor numbers);
  /// What prepare() fixed under that name, which it must have.
  const at::Tensor& fixed(const std::string& name) const;

  /// Rows of the whole batch, and {first, count} of candidate i.
  std::int64_t rows(Positions at) const;
  std::pair<std::int64_t, std::int64_t> rows_of(std::int64_t candidate, Positions at) const;
  /// The same candidates in that order, with the totals of the whole step. Pairs remain whose both sides are
  /// there.
  Batch select(std::span<const std::int64_t> items) const;
  /// select() of [first, last).
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

/// How many answers to a prompt the push on one of them depends on: itself, its partner, or all.
enum class Family { kPoint, kPair, kList };
/// "point", "pair", "list".
std::string_view to_text(Family family);

/// Methods that people ask for and that are not here, and what one of ours has to do with them: {{"gspo"},
/// "with method.importance_sampling_level=sequence"}. Once a method of that name is here, it is found first.
struct Relatives {
  std::vector<std::string> names;
  std::string how;
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
  /// Ids of the surveys' list of methods that it is or is one of: {"S10", "P02"}.
  std::vector<std::string> rows = {};
  /// Absent: what the shape says (demonstrations and labels are points, groups and lists are lists).
  std::optional<Family> family = {};
  /// Keys of signals that enter part of the loss as constants ("stop gradient"): their coefficients are meant
  /// to differ from the derivative of the loss's value.
  std::vector<std::string> stopped = {};
  /// Names of TRL that mean this method: {"dpo", "ipo"} makes `{name: dpo, loss_type: ipo}` this one,
  /// {"reward", ""} makes `reward` another name of it.
  std::vector<std::pair<std::string, std::string>> trl_names = {};
  /// What the metrics mean that no other method logs; shared ones are described in report/metric_names.cpp. The
  /// report, `explain` and `list metrics` show it.
  std::vector<record::MetricMeaning> metrics = {};
  /// Methods to which this one comes nearest of those that are here.
  std::vector<Relatives> stands_in_for = {};
  /// Whether TRL's trainer of that name trains it: "dpo" for each of DPOTrainer's losses.
  bool is_of_trainer(std::string_view trainer) const;
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
  /// Whether loss() may be asked of a single group, for what an evaluation says of each row. A method of whole
  /// steps that needs more than one group says no.
  virtual bool has_loss_of_group() const { return true; }
  /// What it learns from: rated records are paired, labelled or grouped to fit (record/pairing.h).
  virtual GroupShape shape() const = 0;
  /// What feedback has to say beyond that: rows without it are named and counted before training. The functions may
  /// refer to this method.
  virtual record::FeedbackNeeds feedback_needs() const { return {}; }
  /// The card's family, or that of the shape.
  Family family() const;
  virtual Derived derived() const { return Derived::kNone; }
  /// Fixes what stays the same over several updates on one step. Called once per sampled or read step with
  /// the whole step's candidates, when the signals of all frozen models are there, and those of kOld that are
  /// marked for_prepare; fixes numbers in the batch and may change the state.
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
