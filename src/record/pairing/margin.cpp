// Pairs whose rewards are far enough apart.
#include "record/derived_feedback.h"
#include "record/pairing.h"

namespace attune::record {
namespace {

class Margin final : public Pairing {
 public:
  PairingInfo info() const override {
    return {"margin",
            "Every pair whose rewards differ by at least the margin; closer ones are counted and left out.",
            ""};
  }
  std::vector<GroupShape> shapes() const override { return {GroupShape::kPairs}; }
  core::Fields fields() override {
    core::Fields fields;
    fields.add("margin", margin_, "Least difference of the two rewards.").non_negative();
    return fields;
  }

 protected:
  void compare(const Ranking& ranking, const PairingKey&, PairList& pairs) const override {
    for (std::size_t a = 0; a < ranking.order.size(); ++a)
      for (std::size_t b = a + 1; b < ranking.order.size(); ++b) {
        const std::size_t better = ranking.order[a], worse = ranking.order[b];
        const double gap = reward_of(ranking.candidates[better]) - reward_of(ranking.candidates[worse]);
        if (gap >= margin_)
          pairs.add(better, worse);
        else
          pairs.leave_out(gap < margin_ ? "pairs below the margin" : "pairs without rewards");
      }
  }

 private:
  double margin_ = 1;
};

}  // namespace

std::unique_ptr<Pairing> pairing_margin() { return std::make_unique<Margin>(); }

}  // namespace attune::record
