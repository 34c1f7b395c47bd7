#include "cli/explain/step_json.h"

#include <ATen/ATen.h>

#include <cmath>

#include "cli/tokens/record_tokens.h"
#include "data/tokens/trained.h"

namespace attune::cli {
namespace {

using algorithm::Need;
using algorithm::Positions;
using algorithm::Role;
using core::Json;
using record::GroupShape;

std::string feedback_text(GroupShape kind, const algorithm::Candidate& candidate) {
  switch (kind) {
    case GroupShape::kDemonstrations:
      return "a demonstration";
    case GroupShape::kPairs:
      return candidate.role == Role::kChosen ? "chosen" : "rejected";
    case GroupShape::kLabels:
      return record::is_good(candidate) ? "good" : "bad";
    case GroupShape::kSteps:
      return fmt::format("steps {:.4g}", fmt::join(candidate.step_scores, ", "));
    case GroupShape::kGroups:
    case GroupShape::kLists:
      return fmt::format("reward {:.4g}", record::reward_of(candidate));
  }
  return "";
}

Json list_of(const at::Tensor& values) {
  Json list = Json::array();
  const at::Tensor plain = values.contiguous();
  for (std::int64_t i = 0; i < plain.numel(); ++i)
    list.push_back(plain.const_data_ptr<double>()[i] + 0.0);  // -0 reads as 0
  return list;
}

/// One candidate of a step, with those derived from it behind it.
class CandidateJson {
 public:
  CandidateJson(const ExplainedRecords& found, const training::ExplainedStep& explained,
                const algorithm::Method& method, std::size_t index)
      : step_(found.step), batch_(explained.batch), pushes_(explained.coefficients.by_signal), i_(index) {
    const data::PackItem& item = step_.items[i_];
    ids_.assign(item.ids.begin() + item.prompt_length, item.ids.end());
    mask_ = item.mask;
    const std::size_t first = data::first_predicted(static_cast<std::size_t>(item.prompt_length));
    std::fill_n(mask_.begin(), std::min(first, mask_.size()), std::uint8_t{0});
    add_coefficients();
    add_place(found);
    add_feedback(method.shape());
    for (const Need& need : method.needs())
      if (!need.optional && need.signal != "logps" && need.signal != "score") add_signal(need);
    for (const char* key : {"logps", "ref_logps", "old_logps"}) add_logps(key);
    if (batch_.has("score")) json_["scores"] = of_candidate("score", signal("score"));
    const bool mismatched = i_ + 1 < step_.items.size() && step_.candidates[i_ + 1].role == Role::kDerived;
    if (mismatched) add_derived(i_ + 1);
    if (!mismatched && method.derived() == algorithm::Derived::kMismatched)  // a step of one record
      json_["kl_logps"] = json_["kl_ref_logps"] = Json::array();
  }

  Json take(const data::TextCodec& codec) {
    json_["ids"] = ids_;
    json_["tokens"] = token_texts(ids_, codec);
    json_["mask"] = mask_;
    return std::move(json_);
  }

 private:
  void add_coefficients() {
    json_["coefficients"] = per_token(push("logps"), 0.0);
    json_["advantages"] = advantages();
    json_["value_coefficients"] = per_token(push("value"), 0.0);
    json_["score_coefficients"] = of_candidate("score", push("score"));
    json_["prompt_coefficients"] = Json::array();
  }

  void add_place(const ExplainedRecords& found) {
    for (const ExplainedRecord& record : found.records)
      if (record.row.index == step_.rows[i_]) json_["id"] = record.example.id;
    json_["candidate"] = step_.row_candidates[i_];
    json_["row"] = step_.rows[i_];
  }

  void add_feedback(GroupShape kind) {
    const algorithm::Candidate& candidate = step_.candidates[i_];
    json_["feedback"] = feedback_text(kind, candidate);
    json_["group"] = candidate.group;
    json_["rank"] = candidate.rank.value_or(0);
    json_["label"] = record::is_good(candidate);
    json_["reward"] = candidate.reward ? Json(*candidate.reward) : Json();
    json_["weight"] = candidate.weight;
    json_["margin"] = candidate.margin.value_or(0);
    if (!candidate.source.empty()) json_["source"] = candidate.source;
    if (kind == GroupShape::kSteps) json_["step_scores"] = candidate.step_scores;
  }

  void add_logps(const std::string& key) {
    json_[key] = per_token(signal(key), nullptr);
    if (key == "old_logps" && json_[key].empty()) json_.erase(key);
  }

  void add_signal(const Need& need) {
    if (need.at != Positions::kTokens) return;
    json_["signals"][need.key()] = per_token(signal(need.key()), nullptr);
    if (need.gradient) json_["signal_coefficients"][need.key()] = per_token(push(need.key()), 0.0);
  }

  /// Fixtures write a mismatched completion's numbers beside those of the prompt's own.
  void add_derived(std::size_t derived) {
    for (const char* key : {"logps", "ref_logps"}) {
      if (batch_.has(key)) json_[std::string("kl_") + key] = list_of(tokens_of(batch_.signal(key), derived));
    }
  }

  Json advantages() const {
    const auto found = batch_.prepared.find("advantages");
    if (found == batch_.prepared.end()) return Json::array();
    const auto& [at, numbers] = found->second;
    if (at == Positions::kTokens) return per_token(numbers, nullptr);
    const double advantage = numbers[static_cast<std::int64_t>(i_)].item<double>();
    Json list = Json::array();
    for (const std::uint8_t trained : mask_) list.push_back(trained != 0 ? Json(advantage) : Json());
    return list;
  }

  at::Tensor tokens_of(const at::Tensor& values, std::size_t i) const {
    return values.slice(0, batch_.offsets[i], batch_.offsets[i + 1]);
  }

  /// One entry for each id; `masked` where the mask is 0. Empty without numbers.
  Json per_token(const at::Tensor& numbers, const Json& masked) const {
    Json list = Json::array();
    if (!numbers.defined()) return list;
    const Json trained = list_of(tokens_of(numbers, i_));
    std::size_t next = 0;
    for (const std::uint8_t wanted : mask_) list.push_back(wanted != 0 ? trained[next++] : masked);
    return list;
  }

  /// Its rows of a signal, or of the coefficients of that signal.
  Json of_candidate(const std::string& key, const at::Tensor& numbers) const {
    if (!numbers.defined()) return Json::array();
    const auto [first, count] = batch_.rows_of(static_cast<std::int64_t>(i_), batch_.signals.at(key).at);
    return list_of(numbers.slice(0, first, first + count).reshape({-1}));
  }

  at::Tensor signal(const std::string& key) const {
    return batch_.has(key) ? batch_.signal(key) : at::Tensor();
  }
  at::Tensor push(const std::string& key) const {
    const auto found = pushes_.find(key);
    return found == pushes_.end() ? at::Tensor() : found->second;
  }

  const training::Step& step_;
  const algorithm::Batch& batch_;
  const std::map<std::string, at::Tensor>& pushes_;
  std::size_t i_;
  std::vector<std::int32_t> ids_;
  std::vector<std::uint8_t> mask_;
  Json json_;
};

}  // namespace

Json step_json(const ExplainedRecords& found, const training::ExplainedStep& explained,
               const algorithm::Method& method, const data::TextCodec& codec) {
  Json json = {{"loss", explained.result.loss}, {"metrics", Json::object()}, {"candidates", Json::array()}};
  for (const auto& [name, metric] : explained.result.metrics) json["metrics"][name] = metric.value();
  for (std::size_t i = 0; i < found.step.items.size(); ++i)
    if (found.step.candidates[i].role != Role::kDerived)
      json["candidates"].push_back(CandidateJson(found, explained, method, i).take(codec));
  return json;
}

}  // namespace attune::cli
