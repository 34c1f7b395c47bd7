// Which tensor of the files fills which place of the model, and what is left over.
#include <algorithm>
#include <set>

#include "core/error.h"
#include "model/files/weight_loading.h"

namespace attune::model {
namespace {

const StoredTensor* find_stored(const WeightFiles& files, const std::string& name,
                                const std::string& body_prefix) {
  if (const auto* stored = files.find(name)) return stored;
  return name.rfind(body_prefix, 0) == 0 ? files.find(name.substr(body_prefix.size())) : nullptr;
}

[[noreturn]] void fail_missing(const WeightFiles& files, const std::vector<std::string>& missing,
                               const std::string& config_path) {
  std::string first;
  for (std::size_t i = 0; i < std::min<std::size_t>(3, missing.size()); ++i)
    first += (i ? ", " : "") + missing[i];
  core::fail_request(
      "{}: {} tensor{} that {} asks for {} missing: {}{}: is the configuration of another model, or is a "
      "part of the weights not here?",
      files.where(), missing.size(), missing.size() == 1 ? "" : "s", config_path,
      missing.size() == 1 ? "is" : "are", first, missing.size() > 3 ? ", …" : "");
}

bool same_numbers(const StoredTensor& a, const StoredTensor& b) {
  return a.shape == b.shape && a.dtype == b.dtype &&
         std::equal(a.bytes.begin(), a.bytes.end(), b.bytes.begin(), b.bytes.end());
}

/// Fills the plan of one model.
class WeightPlanner {
 public:
  WeightPlanner(TransformerWeights& weights, ModelConfig& config, const WeightFiles& files,
                const std::set<std::string>& heads)
      : weights_(weights),
        config_(config),
        files_(files),
        family_(family_with(config).info()),
        embedding_(find_stored(files, weights.embedding_path + ".weight", family_.body_prefix)),
        head_(files.find(weights.head.path + ".weight")) {
    plan_.heads = heads;
    if (config.sequence_classification) plan_.heads.insert("score");
  }

  WeightPlan plan(const std::string& config_path) {
    plan_.report.where = files_.where();
    plan_.report.tensors = static_cast<std::int64_t>(files_.names().size());
    if (!config_.sequence_classification) decide_tie();
    if (!embedding_ && config_.tie_embeddings) embedding_ = head_;
    std::vector<std::string> missing;
    for (const TensorSlot& slot : tensor_slots(weights_, config_)) {
      const StoredTensor* stored = slot.name == weights_.embedding_path + ".weight"
                                       ? embedding_
                                       : find_stored(files_, slot.name, family_.body_prefix);
      if (stored)
        plan_.entries.push_back({slot, stored});
      else
        missing.push_back(slot.name);
    }
    const std::string score = weights_.named_heads.at("score").path + ".weight";
    if (config_.sequence_classification && !files_.find(score)) missing.push_back(score);
    if (!missing.empty()) fail_missing(files_, missing, config_path);
    find_unused();
    return std::move(plan_);
  }

 private:
  void decide_tie() {
    if (!head_) {
      if (!config_.tie_embeddings) plan_.report.tied_head = weights_.head.path + ".weight";
      config_.tie_embeddings = true;
    } else if (config_.tie_embeddings && embedding_ && !same_numbers(*embedding_, *head_)) {
      plan_.report.untied_head = weights_.head.path + ".weight";
      config_.tie_embeddings = false;
    }
  }

  void find_unused() {
    std::set<const StoredTensor*> used;
    for (const auto& entry : plan_.entries) used.insert(entry.stored);
    if (!config_.sequence_classification) used.insert(head_);
    std::set<std::string> unread;
    for (const auto& [name, head] : weights_.named_heads)
      for (const char* part : {".weight", ".bias"})
        if (plan_.heads.contains(name))
          used.insert(files_.find(head.path + part));
        else
          unread.insert(head.path + part);
    auto& report = plan_.report;
    for (const std::string& name : files_.names()) {
      if (used.contains(files_.find(name)) || is_buffer(name)) continue;
      (unread.contains(name) ? report.unread_heads : report.unused).push_back(name);
    }
    std::ranges::sort(report.unused);
    std::ranges::sort(report.unread_heads);
  }

  bool is_buffer(const std::string& name) const {
    return std::any_of(family_.buffers.begin(), family_.buffers.end(),
                       [&](const std::string& end) { return name.ends_with(end); });
  }

  TransformerWeights& weights_;
  ModelConfig& config_;
  const WeightFiles& files_;
  const FamilyInfo family_;
  const StoredTensor *embedding_, *head_;
  WeightPlan plan_;
};

}  // namespace

WeightPlan plan_weights(TransformerWeights& weights, ModelConfig& config, const WeightFiles& files,
                        const std::string& config_path, const std::set<std::string>& heads) {
  return WeightPlanner(weights, config, files, heads).plan(config_path);
}

}  // namespace attune::model
