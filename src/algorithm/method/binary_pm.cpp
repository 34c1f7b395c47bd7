// A reward model from labels (Askell et al. 2021, arXiv:2112.00861, section 3; Gao et al. 2024, arXiv:2409.02795, eq. 4): the score
// s of an answer is the logit of its being good,
//
//   L = mean of { −log σ(s) for good, −log σ(−s) for bad completions }
#include <ATen/ATen.h>

#include "algorithm/base/point/score_method.h"
#include "algorithm/part/segments.h"

namespace attune::algorithm {

namespace {

class BinaryPm final : public ScoreMethod {
 public:
  MethodInfo info() const override {
    MethodInfo info;
    info.name = "binary_pm";
    info.title = "Binary reward model";
    info.paper = "Askell et al. 2021, arXiv:2112.00861, section 3";
    info.formula =
        "L = mean of { −log σ(s) for good, −log σ(−s) for bad completions },   s = score head at the last token";
    info.summary = "Trains a score head to tell good answers from bad ones, one at a time.";
    info.learning_rate = 1e-4;
    info.rows = {"R02", "S22"};
    return info;
  }
  GroupShape shape() const override { return GroupShape::kLabels; }
  record::FeedbackNeeds feedback_needs() const override { return {{}, record::Contrast::kLabels}; }

 protected:
  at::Tensor losses(const at::Tensor& scores, const Batch& batch) const override {
    std::vector<double> signs;
    for (const Candidate& candidate : batch.candidates) signs.push_back(record::is_good(candidate) ? 1 : -1);
    return -at::log_sigmoid(vector_of(signs) * scores);
  }
};

}  // namespace

std::unique_ptr<Method> method_binary_pm() { return std::make_unique<BinaryPm>(); }

}  // namespace attune::algorithm
