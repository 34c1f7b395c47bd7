#include "data/row_use.h"

#include <utility>

namespace attune::data {

RowUse::RowUse() : described_({{"reads", "anything"}}) {}

RowUse RowUse::prompts() {
  RowUse use;
  use.only_prompts_ = true;
  use.described_ = {{"reads", "prompts"}};
  return use;
}

RowUse::RowUse(record::GroupShape shape) : RowUse(shape, record::default_pairing(shape)) {}

RowUse::RowUse(record::GroupShape shape, std::shared_ptr<record::Pairing> pairing) : shape_(shape) {
  ATTUNE_ASSERT(pairing && pairing->makes(shape));
  core::Json named = {{"name", pairing->info().name}};
  named.update(pairing->fields().to_json());
  described_ = {{"reads", record::to_text(shape)}, {"pairing", named}};
  pairing_ = std::move(pairing);
}

RowUse RowUse::asking(record::FeedbackNeeds needs) const {
  RowUse use = *this;
  use.needs_ = std::move(needs);
  for (const record::RowNeed& need : use.needs_.rows) use.described_["needs"].push_back(need.name);
  return use;
}

}  // namespace attune::data
