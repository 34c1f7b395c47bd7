#include "feedback/rater_list.h"

#include <set>
#include <string>
#include <utility>

#include "core/error.h"

namespace attune::feedback {
namespace {

/// Adds what one rater says of a candidate to what all say of it.
void add_remark(const Remark& said, const std::string& rater, Remark& all) {
  if (all.unusable.empty() && !said.unusable.empty()) all.unusable = rater + ": " + said.unusable;
  for (const auto& [metric, value] : said.metrics) all.metrics[rater + "/" + metric] = value;
}

}  // namespace

RaterList::RaterList(std::vector<WeightedRater> sources) : Rater("feedback"), sources_(std::move(sources)) {
  ATTUNE_ASSERT(!sources_.empty());
  std::set<std::string> names;
  for (const WeightedRater& source : sources_) {
    if (!names.insert(source.rater->name()).second)
      core::fail_request("feedback: two sources are called '{}'; give one of them another name",
                         source.rater->name());
  }
}

std::vector<Remark> RaterList::fill(std::span<record::Example> examples) {
  const std::vector<record::Candidate*> candidates = candidates_of(examples);
  std::vector<Remark> remarks(candidates.size());
  std::vector<double> sums(candidates.size(), 0.0);
  for (const WeightedRater& source : sources_) {
    const std::vector<Remark> said = source.rater->rate(examples);
    for (std::size_t i = 0; i < said.size(); ++i) {
      add_remark(said[i], source.rater->name(), remarks[i]);
      if (!said[i].unusable.empty()) continue;
      const double reward = *candidates[i]->reward;
      remarks[i].metrics[source.rater->name()] = reward;
      sums[i] += source.weight * reward;
    }
  }
  for (std::size_t i = 0; i < candidates.size(); ++i) candidates[i]->reward = sums[i];
  return remarks;
}

std::unique_ptr<Rater> rater_of(std::vector<WeightedRater> sources) {
  if (sources.size() == 1 && sources.front().weight == 1) return std::move(sources.front().rater);
  return std::make_unique<RaterList>(std::move(sources));
}

}  // namespace attune::feedback
