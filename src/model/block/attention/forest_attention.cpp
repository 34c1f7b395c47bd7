#include "model/block/attention/forest_attention.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include <utility>

#include "model/block/attention/attention_piece.h"

namespace attune::model {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// Carries the plan and the scores from forward to backward.
struct PlanHolder : torch::CustomClassHolder {
  PlanHolder(std::shared_ptr<const AttentionPlan> held, PieceScores used)
      : plan(std::move(held)), scores(std::move(used)) {}
  std::shared_ptr<const AttentionPlan> plan;
  PieceScores scores;
};

/// [T, H, d] → [1, H, rows, d], a view.
at::Tensor rows_of(const at::Tensor& x, std::int64_t begin, std::int64_t end) {
  return x.narrow(0, begin, end - begin).transpose(0, 1).unsqueeze(0);
}

struct Merged {
  at::Tensor out;  ///< [T, H, dv] in the type of the queries
  at::Tensor lse;  ///< [T, H]
};

/// Stores or merges one piece: out ← out + w (piece - out) with w = exp(lse_piece - logaddexp(lse,
/// lse_piece)).
void merge(const AttentionPiece& piece, const PieceOutput& part, const at::Tensor& out,
           const at::Tensor& lse) {
  const at::Tensor rows = out.narrow(0, piece.q_begin, piece.queries());
  const at::Tensor normalizers = lse.narrow(0, piece.q_begin, piece.queries());
  const at::Tensor new_rows = part.out[0].transpose(0, 1), new_normalizers = part.lse[0].transpose(0, 1);
  if (piece.first) {
    rows.copy_(new_rows);
    normalizers.copy_(new_normalizers);
    return;
  }
  const at::Tensor total = at::logaddexp(normalizers, new_normalizers);
  const at::Tensor weight = (new_normalizers - total).exp_().unsqueeze(-1);
  rows.lerp_(new_rows.to(rows.scalar_type()), weight);
  normalizers.copy_(total);
}

Merged attend_all(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const AttentionPlan& plan,
                  const PieceScores& scores) {
  const auto wide = q.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  at::Tensor out = at::empty({q.size(0), q.size(1), v.size(2)}, q.options().dtype(wide));
  at::Tensor lse = at::empty({q.size(0), q.size(1)}, q.options().dtype(wide));
  for (const auto& piece : plan.pieces) {
    const auto part =
        attend_piece(rows_of(q, piece.q_begin, piece.q_end), rows_of(k, piece.k_begin, piece.k_end),
                     rows_of(v, piece.k_begin, piece.k_end), piece, scores);
    merge(piece, part, out, lse);
  }
  return {out.to(q.scalar_type()), lse};
}

struct AttentionFunction : torch::autograd::Function<AttentionFunction> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& q, const at::Tensor& k,
                            const at::Tensor& v, const std::shared_ptr<const AttentionPlan>& plan,
                            const PieceScores& scores) {
    Merged merged = attend_all(q, k, v, *plan, scores);
    ctx->save_for_backward({q, k, v, merged.out, merged.lse});
    ctx->saved_data["plan"] = c10::IValue::make_capsule(c10::make_intrusive<PlanHolder>(plan, scores));
    return merged.out;
  }

  static variable_list backward(AutogradContext* ctx, variable_list gradients) {
    const auto saved = ctx->get_saved_variables();
    const at::Tensor &q = saved[0], &k = saved[1], &v = saved[2], &out = saved[3];
    // the kernel wants [H, n] with the tokens innermost or outermost alike; it reads strides
    const at::Tensor& lse = saved[4];
    const auto holder = c10::static_intrusive_pointer_cast<PlanHolder>(ctx->saved_data["plan"].toCapsule());
    const at::Tensor gradient = gradients[0].contiguous();
    const auto wide = q.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
    at::Tensor dq = at::empty(q.sizes(), q.options().dtype(wide));
    at::Tensor dk = at::zeros(k.sizes(), k.options().dtype(wide)),
               dv = at::zeros(v.sizes(), v.options().dtype(wide));
    for (const auto& piece : holder->plan->pieces) {
      const auto queries = [&](const at::Tensor& x) { return rows_of(x, piece.q_begin, piece.q_end); };
      const auto keys = [&](const at::Tensor& x) { return rows_of(x, piece.k_begin, piece.k_end); };
      const at::Tensor normalizers =
          lse.narrow(0, piece.q_begin, piece.queries()).transpose(0, 1).unsqueeze(0);
      const auto part = attend_piece_backward(queries(gradient), queries(q), keys(k), keys(v), queries(out),
                                              normalizers, piece, holder->scores);
      piece.first ? queries(dq).copy_(part.query) : queries(dq).add_(part.query);
      keys(dk).add_(part.key);
      keys(dv).add_(part.value);
    }
    return {dq.to(q.scalar_type()), dk.to(k.scalar_type()), dv.to(v.scalar_type()), at::Tensor(),
            at::Tensor()};
  }
};

/// The rule as the pieces need it.
PieceScores piece_scores(const ScoreRule& rule, const AttentionPlan& plan, const at::Tensor& like) {
  PieceScores scores{rule.scale, rule.softcap, {}, {}};
  if (rule.slopes.empty()) return scores;
  const auto wide = like.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  scores.slopes = at::tensor(at::ArrayRef<double>(rule.slopes.data(), rule.slopes.size()), at::kDouble)
                      .to(like.options().dtype(wide).requires_grad(false));
  scores.positions = at::tensor(plan.positions, at::kInt).to(scores.slopes.options());
  return scores;
}

}  // namespace

at::Tensor attend_forest(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                         std::shared_ptr<const AttentionPlan> plan, const ScoreRule& rule) {
  const PieceScores scores = piece_scores(rule, *plan, query);
  return AttentionFunction::apply(query, key, value, plan, scores).reshape({query.size(0), -1});
}

ForestAttention::ForestAttention(const ModelConfig& config, const core::Forest& forest,
                                 const at::Tensor& like)
    : Attention(rope_tables(config, places_of(forest), like)), forest_(forest) {}

at::Tensor ForestAttention::attend(std::size_t /*layer*/, const ScoreRule& rule, const at::Tensor& query,
                                   const at::Tensor& key, const at::Tensor& value) {
  auto& plan = plans_[rule.window];
  if (!plan) plan = std::make_shared<const AttentionPlan>(plan_attention(forest_, rule.window));
  return attend_forest(query, key, value, plan, rule);
}

}  // namespace attune::model
