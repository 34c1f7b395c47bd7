// What rows are read for, which decides what of them is kept.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "core/json.h"
#include "record/feedback_needs.h"
#include "record/pairing.h"

namespace attune::data {

class RowUse {
 public:
  static RowUse anything() { return {}; }  ///< looked at as they are
  static RowUse prompts();                 ///< candidates are sampled, not read
  /// Learned from, in this shape; with the default pairing, or one that makes the shape.
  RowUse(record::GroupShape shape);  // NOLINT: implicit by design
  RowUse(record::GroupShape shape, std::shared_ptr<record::Pairing> pairing);
  /// The same use by a method that asks for more than the shape.
  RowUse asking(record::FeedbackNeeds needs) const;

  bool only_prompts() const { return only_prompts_; }
  bool learns() const { return pairing_ != nullptr; }
  bool learns(record::GroupShape shape) const { return learns() && shape_ == shape; }
  record::GroupShape shape() const { return shape_; }
  const record::Pairing& pairing() const { return *pairing_; }
  const record::FeedbackNeeds& needs() const { return needs_; }
  /// {"reads": "pairs", "pairing": {"name", options…}}: all that the kept rows depend on.
  const core::Json& described() const { return described_; }

 private:
  RowUse();
  bool only_prompts_ = false;
  record::GroupShape shape_ = record::GroupShape::kDemonstrations;
  std::shared_ptr<const record::Pairing> pairing_;
  record::FeedbackNeeds needs_;
  core::Json described_;
};

}  // namespace attune::data
