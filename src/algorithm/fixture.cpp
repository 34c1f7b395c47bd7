// Reading fixtures.
#include "algorithm/fixture.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <cmath>
#include <limits>

#include "core/error.h"
#include "core/fields.h"

namespace attune::algorithm {

namespace {

/// Per-token arrays agree on the number of tokens; the others have lengths of their own.
const std::vector<std::string> kTokenArrays = {"logps", "ref_logps", "old_logps", "token_rewards"};
const std::vector<std::string> kValueArrays = {"values",
                                               "old_values"};  // may hold one entry more than tokens
const std::vector<std::string> kOtherArrays = {"scores", "kl_logps", "kl_ref_logps", "prompt_logps"};
const std::vector<std::string> kLogitArrays = {"logits", "ref_logits", "teacher_logits"};
const std::vector<std::string> kFeedback = {"group",  "rank",        "label",  "reward",        "weight",
                                            "margin", "step_scores", "source", "finish_reason", "ids"};

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

/// One candidate of the file, with the place for messages.
class Reader {
 public:
  Reader(const core::Json& json, std::string place) : json_(json), place_(std::move(place)) {}

  FixtureCandidate read() {
    if (!json_.is_object()) core::fail_request("{}: expected an object, found {}", place_, json_.type_name());
    for (const auto& [key, value] : json_.items()) read_key(key, value);
    check_lengths();
    return std::move(result_);
  }

 private:
  void read_key(const std::string& key, const core::Json& value) {
    if (contains(kTokenArrays, key) || contains(kValueArrays, key) || contains(kOtherArrays, key)) {
      result_.numbers[key] = numbers(key, value);
    } else if (contains(kLogitArrays, key)) {
      read_logits(key, value);
    } else if (contains(kFeedback, key)) {
      read_feedback(key, value);
    } else {
      fail_unknown(key);
    }
  }

  [[noreturn]] void fail_unknown(const std::string& key) const {
    std::vector<std::string> known = kFeedback;
    for (const auto* names : {&kTokenArrays, &kValueArrays, &kOtherArrays, &kLogitArrays}) {
      known.insert(known.end(), names->begin(), names->end());
    }
    const std::string near = core::nearest(key, known);
    core::fail_request("{}: unknown key '{}'{}", place_, key,
                       near.empty() ? "" : ", did you mean '" + near + "'?");
  }

  void read_feedback(const std::string& key, const core::Json& value) {
    Candidate& feedback = result_.feedback;
    if (key == "group") feedback.group = integer(key, value);
    if (key == "rank") feedback.rank = number(key, value), result_.has_rank = true;
    if (key == "weight") feedback.weight = number(key, value);
    if (key == "margin") feedback.margin = number(key, value);
    if (key == "step_scores") feedback.step_scores = numbers(key, value);
    if (key == "source") feedback.source = text(key, value);
    if (key == "finish_reason") feedback.truncated = text(key, value) == "length";
    if (key == "reward") {
      feedback.reward = value.is_null() ? std::numeric_limits<double>::quiet_NaN() : number(key, value);
      result_.has_reward = true;
    }
    if (key == "label") {
      if (!value.is_boolean())
        core::fail_request("{}: '{}' must be true or false, found {}", place_, key, value.dump());
      feedback.label = value.get<bool>();
      result_.has_label = true;
    }
    if (key == "ids") {
      for (const core::Json& id : array(key, value)) result_.ids.push_back(integer(key, id));
    }
  }

  const core::Json& array(const std::string& key, const core::Json& value) const {
    if (!value.is_array())
      core::fail_request("{}: '{}' must be a list, found {}", place_, key, value.type_name());
    return value;
  }
  double number(const std::string& key, const core::Json& value) const {
    if (!value.is_number() || !std::isfinite(value.get<double>())) {
      core::fail_request("{}: '{}' must hold finite numbers, found {}", place_, key, value.dump());
    }
    return value.get<double>();
  }
  std::int64_t integer(const std::string& key, const core::Json& value) const {
    if (!value.is_number_integer())
      core::fail_request("{}: '{}' must be an integer, found {}", place_, key, value.dump());
    return value.get<std::int64_t>();
  }
  std::string text(const std::string& key, const core::Json& value) const {
    if (!value.is_string())
      core::fail_request("{}: '{}' must be a string, found {}", place_, key, value.dump());
    return value.get<std::string>();
  }
  std::vector<double> numbers(const std::string& key, const core::Json& value) const {
    std::vector<double> result;
    for (const core::Json& entry : array(key, value)) result.push_back(number(key, entry));
    return result;
  }

  void read_logits(const std::string& key, const core::Json& value) {
    std::vector<double> flat;
    std::size_t width = 0;
    for (const core::Json& row : array(key, value)) {
      const std::vector<double> entries = numbers(key, row);
      if (width == 0) width = entries.size();
      if (entries.empty() || entries.size() != width) {
        core::fail_request("{}: rows of '{}' have {} and {} entries", place_, key, width, entries.size());
      }
      flat.insert(flat.end(), entries.begin(), entries.end());
    }
    if (width == 0) return;  // an empty list is "not given"
    const auto columns = static_cast<std::int64_t>(width);
    result_.logits[key] = at::tensor(flat, at::kDouble).view({-1, columns});
  }

  void expect_length(const std::string& key, std::size_t found, bool one_more = false) {
    const auto length = static_cast<std::int64_t>(found);
    if (length == 0) return;
    if (result_.tokens == 0) {
      result_.tokens = length;
      length_from_ = key;
    }
    if (length == result_.tokens || (one_more && length == result_.tokens + 1)) return;
    core::fail_request("{}: '{}' has {} entries but '{}' has {}: one per completion token is expected",
                       place_, key, length, length_from_, result_.tokens);
  }

  void check_lengths() {
    expect_length("ids", result_.ids.size());
    for (const auto& [key, tensor] : result_.logits)
      expect_length(key, static_cast<std::size_t>(tensor.size(0)));
    for (const std::string& key : kTokenArrays) expect_length(key, result_.numbers[key].size());
    for (const std::string& key : kValueArrays) expect_length(key, result_.numbers[key].size(), true);
    std::erase_if(result_.numbers, [](const auto& entry) { return entry.second.empty(); });
    std::int64_t width = -1;
    for (const auto& [key, tensor] : result_.logits) {
      if (result_.ids.empty())
        core::fail_request("{}: '{}' needs 'ids', the tokens that they are about", place_, key);
      if (width >= 0 && tensor.size(1) != width) {
        core::fail_request("{}: '{}' has {} columns, other logits have {}", place_, key, tensor.size(1),
                           width);
      }
      width = tensor.size(1);
    }
    for (const std::int64_t id : result_.ids) {
      if (id < 0 || (width >= 0 && id >= width)) {
        core::fail_request("{}: id {} is outside the vocabulary of {} logits", place_, id,
                           std::max<std::int64_t>(width, 0));
      }
    }
  }

  const core::Json& json_;
  std::string place_, length_from_;
  FixtureCandidate result_;
};

}  // namespace

std::vector<FixtureCandidate> parse_fixture(const core::Json& fixture, const std::string& where) {
  if (!fixture.is_object()) core::fail_request("{}: expected an object with 'candidates'", where);
  for (const auto& [key, value] : fixture.items()) {
    if (key != "candidates")
      core::fail_request("{}: unknown key '{}', did you mean 'candidates'?", where, key);
  }
  if (!fixture.contains("candidates") || !fixture["candidates"].is_array() || fixture["candidates"].empty()) {
    core::fail_request("{}: 'candidates' must be a list with at least one candidate", where);
  }
  std::vector<FixtureCandidate> result;
  for (const core::Json& candidate : fixture["candidates"]) {
    result.push_back(Reader(candidate, fmt::format("{}: candidate {}", where, result.size())).read());
  }
  return result;
}

}  // namespace attune::algorithm
