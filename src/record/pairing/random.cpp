// Pairs drawn at random.
#include <utility>

#include "core/random.h"
#include "record/pairing.h"

namespace attune::record {
namespace {

class RandomPairs final : public Pairing {
 public:
  PairingInfo info() const override {
    return {"random",
            "So many pairs a prompt drawn at random from all that do not tie; others at every step.", ""};
  }
  std::vector<GroupShape> shapes() const override { return {GroupShape::kPairs}; }
  core::Fields fields() override {
    core::Fields fields;
    fields.add("n", n_, "Pairs a prompt; all where there are no more.").range(1, 1e6);
    return fields;
  }
  bool draws() const override { return true; }

 protected:
  void compare(const Ranking& ranking, const PairingKey& key, PairList& pairs) const override {
    for (std::size_t a = 0; a < ranking.order.size(); ++a)
      for (std::size_t b = a + 1; b < ranking.order.size(); ++b)
        pairs.add(ranking.order[a], ranking.order[b]);
    auto& all = pairs.pairs();
    const auto wanted = static_cast<std::size_t>(n_);
    if (all.size() <= wanted) return;
    for (std::size_t i = 0; i < wanted; ++i) {  // the first steps of a Fisher–Yates shuffle
      const double u = core::uniform({key.seed, core::Purpose::kData, key.step, key.record, i});
      std::swap(all[i], all[i + static_cast<std::size_t>(u * static_cast<double>(all.size() - i))]);
    }
    all.resize(wanted);
  }

 private:
  std::int64_t n_ = 1;
};

}  // namespace

std::unique_ptr<Pairing> pairing_random() { return std::make_unique<RandomPairs>(); }

}  // namespace attune::record
