// Every candidate against every worse one.
#include "record/pairing.h"

namespace attune::record {
namespace {

class AllPairs final : public Pairing {
 public:
  PairingInfo info() const override {
    return {
        "all",
        "Every candidate against every worse one; together they weigh as much as one pair of another prompt.",
        "Ouyang et al. 2022, arXiv:2203.02155, section 3.5"};
  }
  std::vector<GroupShape> shapes() const override { return {GroupShape::kPairs}; }

 protected:
  void compare(const Ranking& ranking, const PairingKey&, PairList& pairs) const override {
    for (std::size_t a = 0; a < ranking.order.size(); ++a)
      for (std::size_t b = a + 1; b < ranking.order.size(); ++b)
        pairs.add(ranking.order[a], ranking.order[b]);
  }
};

}  // namespace

std::unique_ptr<Pairing> pairing_all() { return std::make_unique<AllPairs>(); }

}  // namespace attune::record
