// Attention on a packed forest against plain masked softmax, one sequence at a time.
#include "model/block/attention/forest_attention.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

#include <cmath>

#include "model/block/attention/attention_piece.h"
#include "model/block/kernels.h"
#include "support.h"

namespace attune::model {
namespace {

using test::operator+;
using test::Case;

at::Tensor index_of(const core::Forest& forest, std::size_t sequence) {
  const auto stream = forest.stream_indices(sequence);
  return at::tensor(std::vector<std::int64_t>(stream.begin(), stream.end()));
}

/// softmax(score(q, k) + mask) v of one sequence. q [n, H, d], k [n, K, d], v [n, K, dv] → [n, H, dv]
at::Tensor plain_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                           const ScoreRule& rule) {
  const std::int64_t count = q.size(0), repeats = q.size(1) / k.size(1);
  const at::Tensor keys = k.repeat_interleave(repeats, 1).permute({1, 2, 0}),
                   values = v.repeat_interleave(repeats, 1).transpose(0, 1);
  const at::Tensor i = at::arange(count).unsqueeze(1), j = at::arange(count).unsqueeze(0);
  at::Tensor visible = j <= i;
  if (rule.window > 0) visible = visible & (i - j < rule.window);
  at::Tensor scores = at::matmul(q.transpose(0, 1), keys) * rule.scale;
  if (rule.softcap > 0) scores = rule.softcap * at::tanh(scores / rule.softcap);
  if (!rule.slopes.empty())
    scores =
        scores -
        at::tensor(at::ArrayRef<double>(rule.slopes.data(), rule.slopes.size())).view({-1, 1, 1}) * (i - j);
  return at::matmul(at::softmax(scores.masked_fill(visible.logical_not(), -INFINITY), -1), values)
      .transpose(0, 1);
}

struct Inputs {
  at::Tensor q, k, v;
  std::vector<at::Tensor> all() const { return {q, k, v}; }
};

Inputs random_inputs(std::int64_t tokens, std::int64_t heads, std::int64_t key_heads, std::int64_t dims,
                     at::ScalarType type = at::kDouble, std::int64_t value_dims = 0) {
  const auto options = at::TensorOptions().dtype(type);
  return {at::randn({tokens, heads, dims}, options), at::randn({tokens, key_heads, dims}, options),
          at::randn({tokens, key_heads, value_dims ? value_dims : dims}, options)};
}

/// Σ over sequences and tokens of weight * plain attention, as a function of the stream's q, k, v. The weight
/// of a token of sequence s is that of its place in the unshared concatenation, so shared tokens get their
/// sum.
double oracle_sum(const Case& one, const core::Forest& forest, const Inputs& in, const at::Tensor& weights,
                  const ScoreRule& rule) {
  double sum = 0;
  for (std::size_t s = 0; s < one.sequences.size(); ++s) {
    const at::Tensor at_stream = index_of(forest, s);
    const at::Tensor out = plain_attention(in.q.index_select(0, at_stream), in.k.index_select(0, at_stream),
                                           in.v.index_select(0, at_stream), rule);
    sum += (out * weights.index_select(0, at_stream)).sum().item<double>();
  }
  return sum;
}

/// How many sequences run through each token of the stream.
at::Tensor multiplicity(const Case& one, const core::Forest& forest) {
  at::Tensor count = at::zeros({forest.size(), 1, 1}, at::kDouble);
  for (std::size_t s = 0; s < one.sequences.size(); ++s)
    count.index_add_(0, index_of(forest, s),
                     at::ones({std::int64_t(one.sequences[s].size()), 1, 1}, at::kDouble));
  return count;
}

/// Forward and gradients of the packed attention against the oracle, one sequence at a time.
void check_against_the_oracle(std::int64_t key_heads, const ScoreRule& rule, std::int64_t value_dims) {
  at::manual_seed(1);
  for (const Case& one : test::all_cases()) {
    const auto forest = one.forest();
    const Inputs in = random_inputs(forest.size(), 4, key_heads, 6, at::kDouble, value_dims);
    const at::Tensor weights = at::randn({forest.size(), 4, value_dims}, at::kDouble);
    Inputs leaves{in.q.clone().requires_grad_(), in.k.clone().requires_grad_(),
                  in.v.clone().requires_grad_()};
    const auto plan = std::make_shared<const AttentionPlan>(plan_attention(forest, rule.window));
    const at::Tensor out = attend_forest(leaves.q, leaves.k, leaves.v, plan, rule).view({-1, 4, value_dims});
    for (std::size_t s = 0; s < one.sequences.size(); ++s) {
      const at::Tensor rows = index_of(forest, s);
      const at::Tensor plain = plain_attention(in.q.index_select(0, rows), in.k.index_select(0, rows),
                                               in.v.index_select(0, rows), rule);
      ASSERT_LT((out.detach().index_select(0, rows) - plain).abs().max().item<double>(), 1e-12) << one.name;
    }
    (out * weights * multiplicity(one, forest)).sum().backward();
    // 8 random directions through all inputs at once: central differences against the inner product with the
    // gradient
    for (int trial = 0; trial < 8; ++trial) {
      const double step = 1e-5;
      const Inputs direction{at::randn_like(in.q), at::randn_like(in.k), at::randn_like(in.v)};
      const auto moved = [&](double by) {
        return oracle_sum(one, forest,
                          {in.q + by * direction.q, in.k + by * direction.k, in.v + by * direction.v},
                          weights, rule);
      };
      const double numeric = (moved(step) - moved(-step)) / (2 * step);
      const double analytic = ((leaves.q.grad() * direction.q).sum() + (leaves.k.grad() * direction.k).sum() +
                               (leaves.v.grad() * direction.v).sum())
                                  .item<double>();
      ASSERT_NEAR(analytic, numeric, 1e-6 * (1 + std::abs(numeric))) << one.name;
    }
  }
}

class ForestAttentionTest : public ::testing::TestWithParam<std::tuple<std::int64_t, std::int64_t>> {};

TEST_P(ForestAttentionTest, GradientsEqualFiniteDifferencesOfTheUnsharedOracle) {
  const auto [key_heads, window] = GetParam();
  check_against_the_oracle(key_heads, {0.3, 0, window, {}}, 6);
}

INSTANTIATE_TEST_SUITE_P(HeadsAndWindows, ForestAttentionTest,
                         ::testing::Combine(::testing::Values(4, 2, 1), ::testing::Values(0, 1, 3, 7, 50)));

TEST(ForestAttention, SoftCapsSlopesAndWidthsEqualTheOracle) {
  const std::vector<double> slopes = {0.5, 0.25, 0.125, 0.0625};
  for (const std::int64_t key_heads : {4, 2, 1})
    for (const std::int64_t window : {0, 3}) {
      check_against_the_oracle(key_heads, {0.3, 0.8, window, {}}, 6);  // scores reach 3: the cap bends them
      check_against_the_oracle(key_heads, {0.3, 0, window, slopes}, 6);
      check_against_the_oracle(key_heads, {0.3, 0.8, window, slopes}, 3);
      check_against_the_oracle(key_heads, {0.3, 0, window, {}}, 9);
    }
}

TEST(ForestAttention, EachEntryOfASmallGradient) {
  const Case one{"", {{3, 1, 9}, {3, 2}, {3}}, {}};
  const auto forest = one.forest();
  at::manual_seed(2);
  const Inputs in = random_inputs(forest.size(), 2, 1, 3);
  const at::Tensor weights = at::randn({forest.size(), 2, 3}, at::kDouble);
  Inputs leaves{in.q.clone().requires_grad_(), in.k.clone().requires_grad_(), in.v.clone().requires_grad_()};
  const auto plan = std::make_shared<const AttentionPlan>(plan_attention(forest));
  const ScoreRule rule{.scale = 0.5};
  (attend_forest(leaves.q, leaves.k, leaves.v, plan, rule).view({-1, 2, 3}) * weights *
   multiplicity(one, forest))
      .sum()
      .backward();
  const auto tensors = in.all(), with_gradients = leaves.all();
  for (std::size_t t = 0; t < tensors.size(); ++t) {
    double* data = tensors[t].mutable_data_ptr<double>();
    for (std::int64_t i = 0; i < tensors[t].numel(); ++i) {
      const double kept = data[i], step = 1e-5;
      data[i] = kept + step;
      const double up = oracle_sum(one, forest, in, weights, rule);
      data[i] = kept - step;
      const double down = oracle_sum(one, forest, in, weights, rule);
      data[i] = kept;
      ASSERT_NEAR(with_gradients[t].grad().flatten()[i].item<double>(), (up - down) / (2 * step), 1e-8);
    }
  }
}

TEST(ForestAttention, FallbackEqualsTheKernel) {
  at::manual_seed(3);
  for (const auto mask :
       {AttentionPiece::Mask::kFull, AttentionPiece::Mask::kCausal, AttentionPiece::Mask::kBand}) {
    AttentionPiece piece{0,
                         12,
                         0,
                         12,
                         mask,
                         mask == AttentionPiece::Mask::kBand ? 3 : 0,
                         mask == AttentionPiece::Mask::kBand ? 5 : 0,
                         true};
    const PieceScores scores{.scale = 0.4};
    const Inputs in = random_inputs(12, 4, 2, 8);
    const auto rows = [](const at::Tensor& x) { return x.transpose(0, 1).unsqueeze(0); };
    const auto kernel = attend_piece(rows(in.q), rows(in.k), rows(in.v), piece, scores);
    const auto products = attend_piece_with_products(rows(in.q), rows(in.k), rows(in.v), piece, scores);
    EXPECT_LT((kernel.out - products.out).abs().max().item<double>(), 1e-12);
    const at::Tensor gradient = at::randn_like(kernel.out), lse = kernel.lse + 0.1;
    const auto one =
        attend_piece_backward(gradient, rows(in.q), rows(in.k), rows(in.v), kernel.out, lse, piece, scores);
    const auto two = attend_piece_backward_with_products(gradient, rows(in.q), rows(in.k), rows(in.v),
                                                         kernel.out, lse, piece, scores);
    EXPECT_LT((one.query - two.query).abs().max().item<double>(), 1e-12);
    EXPECT_LT((one.key - two.key).abs().max().item<double>(), 1e-12);
    EXPECT_LT((one.value - two.value).abs().max().item<double>(), 1e-12);
  }
}

TEST(ForestAttention, QueriesWithoutAnyKeyInAPieceGetWeightZero) {
  // window 2: with tiles of a 40-token segment after a 40-token parent most rows of the mixed tile see
  // nothing there
  Case one{"", {test::run(0, 40) + test::Ids{7} + test::run(0, 39), test::run(0, 40) + test::Ids{8}}, {}};
  const auto forest = one.forest();
  const ScoreRule rule{.scale = 0.3, .window = 2};
  for (const auto type : {at::kFloat, at::kBFloat16, at::kHalf}) {
    const Inputs in = random_inputs(forest.size(), 2, 2, 8, type);
    const auto plan = std::make_shared<const AttentionPlan>(plan_attention(forest, 2));
    const at::Tensor out = attend_forest(in.q, in.k, in.v, plan, rule).view({-1, 2, 8}).to(at::kDouble);
    const at::Tensor rows = index_of(forest, 0);
    const auto part = [&](const at::Tensor& x) { return x.to(at::kDouble).index_select(0, rows); };
    const at::Tensor plain = plain_attention(part(in.q), part(in.k), part(in.v), rule);
    EXPECT_LT((out.index_select(0, rows) - plain).abs().max().item<double>(),
              type == at::kFloat ? 1e-5 : 3e-2);
  }
}

TEST(ForestAttention, MemoryIsLinearInTheStream) {
  // 512-token prompt, 64 candidates of 64: T = 4608, [T, T] floats would take 85 MB; q, k, v and out take 1.2
  // MB each.
  Case one{"", {}, {}};
  for (int g = 0; g < 64; ++g)
    one.sequences.push_back(test::run(0, 512) + test::Ids{100 + g} + test::run(g, 63));
  const auto forest = one.forest();
  const Inputs in = random_inputs(forest.size(), 2, 2, 32, at::kFloat);
  Inputs leaves{in.q.clone().requires_grad_(), in.k.clone().requires_grad_(), in.v.clone().requires_grad_()};
  const auto plan = std::make_shared<const AttentionPlan>(plan_attention(forest));
  std::size_t largest = 0, peak = 0;
  {
    const test::CountingAllocator counting;
    attend_forest(leaves.q, leaves.k, leaves.v, plan, {.scale = 0.2}).sum().backward();
    largest = counting.largest(), peak = counting.peak();
    leaves.q.mutable_grad().reset(), leaves.k.mutable_grad().reset(), leaves.v.mutable_grad().reset();
  }
  const std::size_t stream = std::size_t(forest.size()) * 2 * 32 * sizeof(float);
  // The kernel's own blocks: 256 x 512 scores, twice, for each thread. Its twin of library operations holds
  // the scores of a whole piece and what the softmax makes of them: the candidates' 64 x 64 queries, 512
  // keys, 2 heads.
  const bool native = kernels() == Kernels::kNative;
  const std::size_t piece = native ? std::size_t{4} << 20 : std::size_t{4096} * 512 * 2 * sizeof(float);
  EXPECT_LE(largest, piece);
  EXPECT_LE(peak, 12 * stream + (native ? 0 : 2 * piece));
}

}  // namespace
}  // namespace attune::model
