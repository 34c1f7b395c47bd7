#include "cli/tokens/scored_text.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/interrupt.h"
#include "generation/scorer.h"

namespace attune::cli {
namespace {

/// The last token of a sequence is only ever a target, so it is left out of the stream; a sequence may
/// therefore be one token longer than the model's context, as sampled ones are.
data::PackItem pack_item(const ScoredText& text, const model::ModelConfig& config) {
  data::PackItem item = generation::text_item(text.context, text.ids, text.record);
  item.table = config.table_of(static_cast<std::int64_t>(item.ids.size()));
  item.last_is_target = true;
  return item;
}

}  // namespace

std::vector<std::vector<double>> token_logps(const model::Model& model, const std::vector<ScoredText>& texts,
                                             std::int64_t budget) {
  std::vector<data::PackItem> items;
  std::vector<std::size_t> owners;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    if (texts[i].context.size() + texts[i].ids.size() < 2) continue;
    items.push_back(pack_item(texts[i], model.config()));
    owners.push_back(i);
  }
  std::vector<std::vector<double>> logps(texts.size());
  const generation::Scorer scorer(model, model::Weights::kPolicy, {.token_budget = budget, .before_each = [] {
                                                                     core::stop_if_interrupted();
                                                                   }});
  auto lists = scorer.logps(items);
  for (std::size_t i = 0; i < owners.size(); ++i) {
    if (std::ranges::any_of(lists[i], [](double logp) { return std::isnan(logp); }))
      core::fail_run(
          "the model's log-probabilities are not numbers (record {}): are the weights or the numbers of its "
          "config.json broken, or did training diverge?",
          texts[owners[i]].record);
    logps[owners[i]] = std::move(lists[i]);
  }
  return logps;
}

}  // namespace attune::cli
