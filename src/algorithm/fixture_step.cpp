// From a fixture's candidates to a batch: rows in groups, roles, derived candidates, signals.
#include <ATen/ATen.h>

#include <algorithm>
#include <numeric>

#include "algorithm/fixture.h"
#include "algorithm/fixture_signals.h"
#include "algorithm/segments.h"
#include "core/error.h"

namespace attune::algorithm {

namespace {

/// What a person writes into a fixture so that a signal is there.
std::string fixture_key(const std::string& signal) {
  if (signal == "score") return "scores";
  if (signal == "value") return "values";
  if (signal == "old_value") return "old_values";
  if (signal == "reference_kl") return "logits', 'ref_logits' and 'ids";
  if (signal == "wpo_weight" || signal == "entropy") return "logits' and 'ids";
  return signal;
}

/// One row of the batch: a candidate of the fixture, or the one derived from it.
struct Row {
  std::size_t source = 0;
  bool derived = false;
};

class Builder {
 public:
  Builder(const std::vector<FixtureCandidate>& candidates, const Method& method, std::string where)
      : candidates_(candidates), method_(method), where_(std::move(where)) {}

  FixtureStep build() {
    for (std::size_t i = 0; i < candidates_.size(); ++i) {
      require_feedback(i);
      record(i);
    }
    order_rows();
    assign_roles();
    step_.batch.totals = totals_of(step_.batch.offsets, step_.batch.candidates);
    for (const Need& need : method_.needs()) add_signal(need);
    return std::move(step_);
  }

 private:
  [[noreturn]] void fail_missing(std::size_t candidate, const std::string& key) const {
    core::fail_request("{}: candidate {}: method '{}' needs '{}', which is missing", where_, candidate,
                       method_.info().name, key);
  }

  void require_feedback(std::size_t i) const {
    const FixtureCandidate& candidate = candidates_[i];
    if (method_.feedback() == Feedback::kGroups && !candidate.has_reward) fail_missing(i, "reward");
    if (method_.feedback() == Feedback::kLabels && !candidate.has_label) fail_missing(i, "label");
    if (method_.feedback() == Feedback::kPairs && !candidate.has_rank && !candidate.has_label &&
        !candidate.has_reward) {
      fail_missing(i, "rank");
    }
    if (method_.derived() != Derived::kMismatched) return;
    for (const std::string key : {"kl_logps", "kl_ref_logps"}) {
      if (!candidate.numbers.contains(key)) fail_missing(i, key);
    }
    if (candidate.numbers.at("kl_logps").size() != candidate.numbers.at("kl_ref_logps").size()) {
      core::fail_request("{}: candidate {}: 'kl_logps' and 'kl_ref_logps' differ in length", where_, i);
    }
  }

  /// Everything that the candidate's logits give.
  void record(std::size_t i) {
    const FixtureCandidate& candidate = candidates_[i];
    step_.recorded.emplace_back();
    const auto logits_of = [&](const char* key) {
      const auto found = candidate.logits.find(key);
      return found == candidate.logits.end() ? at::Tensor() : found->second;
    };
    const at::Tensor ids = at::tensor(candidate.ids, at::kLong), reference = logits_of("ref_logits");
    RecordedSignals& recorded = step_.recorded.back();
    if (logits_of("logits").defined()) {
      recorded.logits = logits_of("logits").clone().set_requires_grad(true);
      recorded.signals = signals_of_logits(recorded.logits, ids, reference);
    }
    for (const std::string prefix : {"ref_", "teacher_"}) {
      const at::Tensor logits = logits_of((prefix + "logits").c_str());
      if (logits.defined())
        recorded.signals[prefix + "logps"] = signals_of_logits(logits, ids, {}).at("logps");
    }
  }

  void order_rows() {
    std::map<std::int64_t, std::size_t> first_of_group;
    for (std::size_t i = 0; i < candidates_.size(); ++i)
      first_of_group.emplace(candidates_[i].feedback.group, i);
    std::vector<std::size_t> order(candidates_.size());
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
      return first_of_group[candidates_[a].feedback.group] < first_of_group[candidates_[b].feedback.group];
    });
    step_.rows.resize(candidates_.size());
    step_.batch.offsets = {0};
    for (const std::size_t i : order) {
      step_.rows[i] = static_cast<std::int64_t>(rows_.size());
      add_row({i, false}, candidates_[i].tokens);
      if (method_.derived() == Derived::kMismatched) {
        add_row({i, true}, static_cast<std::int64_t>(candidates_[i].numbers.at("kl_logps").size()));
      }
    }
  }

  void add_row(Row row, std::int64_t tokens) {
    rows_.push_back(row);
    step_.batch.candidates.push_back(candidates_[row.source].feedback);
    if (row.derived) step_.batch.candidates.back().role = Role::kDerived;
    step_.batch.offsets.push_back(step_.batch.offsets.back() + tokens);
  }

  /// Larger is better: by rank, else label, else reward.
  double merit(std::size_t row) const {
    const FixtureCandidate& candidate = candidates_[rows_[row].source];
    if (candidate.has_rank) return -candidate.feedback.rank;
    if (candidate.has_label) return candidate.feedback.label ? 1 : 0;
    return candidate.feedback.reward;
  }

  void assign_roles() {
    if (method_.feedback() != Feedback::kPairs) return;
    std::vector<Candidate>& all = step_.batch.candidates;
    for (std::size_t begin = 0, end = 0; begin < all.size(); begin = end) {
      while (end < all.size() && all[end].group == all[begin].group) ++end;
      if (end - begin != 2) {
        core::fail_request("{}: group {} has {} candidate(s); method '{}' needs pairs of two", where_,
                           all[begin].group, end - begin, method_.info().name);
      }
      const double first = merit(begin), second = merit(begin + 1);
      if (!(first < second) && !(second < first)) {
        core::fail_request("{}: group {}: neither candidate is preferred; give them different 'rank's",
                           where_, all[begin].group);
      }
      all[begin].role = first > second ? Role::kChosen : Role::kRejected;
      all[begin + 1].role = first > second ? Role::kRejected : Role::kChosen;
    }
  }

  /// The signal of one row, undefined when the fixture does not give it.
  at::Tensor row_signal(const Need& need, const Row& row) const {
    const FixtureCandidate& candidate = candidates_[row.source];
    std::string key = need.key();
    if (row.derived) {
      key = key == "logps" ? "kl_logps" : (key == "ref_logps" ? "kl_ref_logps" : key);
      if (!candidate.numbers.contains(key)) return at::zeros({count(candidate, "kl_logps")}, at::kDouble);
      return vector_of(candidate.numbers.at(key));
    }
    const RecordedSignals& recorded = step_.recorded[row.source];
    if (const auto found = recorded.signals.find(key); found != recorded.signals.end())
      return found->second.detach();
    const auto found = candidate.numbers.find(fixture_key(key));
    if (found == candidate.numbers.end()) return {};
    const std::int64_t wanted = need.at == Positions::kLast ? 1 : candidate.tokens;
    if (count(candidate, fixture_key(key)) < wanted) return {};
    return vector_of(found->second).slice(0, 0, wanted);
  }

  static std::int64_t count(const FixtureCandidate& candidate, const std::string& key) {
    return static_cast<std::int64_t>(candidate.numbers.at(key).size());
  }

  void add_signal(const Need& need) {
    std::vector<at::Tensor> parts;
    for (const Row& row : rows_) {
      at::Tensor part = row_signal(need, row);
      // The sampler is the policy itself when nothing older is given.
      if (!part.defined() && need.source == Source::kOld) {
        part = row_signal({need.signal, Source::kPolicy, need.at}, row);
      }
      if (!part.defined() && need.optional) return;
      if (!part.defined()) fail_missing(row.source, fixture_key(need.key()));
      parts.push_back(part);
    }
    step_.batch.signals[need.key()] = at::cat(parts);
  }

  const std::vector<FixtureCandidate>& candidates_;
  const Method& method_;
  std::string where_;
  std::vector<Row> rows_;
  FixtureStep step_;
};

}  // namespace

FixtureStep fixture_step(const std::vector<FixtureCandidate>& candidates, const Method& method,
                         const std::string& where) {
  return Builder(candidates, method, where).build();
}

}  // namespace attune::algorithm
