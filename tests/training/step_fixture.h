// Small models and steps that the tests of training share.
#pragma once

#include <ATen/ATen.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "algorithm/method.h"
#include "core/random.h"
#include "model/model.h"
#include "training/step/assemble.h"

namespace attune::training::fixture {

inline core::Json tiny_config() {
  return core::Json::parse(R"({"architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 23,
    "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "max_position_embeddings": 64, "rms_norm_eps": 1e-6, "tie_word_embeddings": true})");
}

inline model::Model tiny_model(std::uint64_t seed = 1) {
  return model::Model::random(tiny_config(), seed, "float64");
}

/// Rows that own their numbers; views of them are what assemble_step takes.
struct OwnedRow {
  std::vector<std::int32_t> prompt;
  std::vector<std::vector<std::int32_t>> completions;
  std::vector<std::vector<std::uint8_t>> masks;
  std::vector<std::vector<std::int32_t>> step_ends;  ///< of each completion: one step, or two
  std::int64_t index = 0;
};

/// `count` rows of `candidates` completions of 1 to 6 random tokens behind prompts of 1 to 5.
inline std::vector<OwnedRow> random_rows(std::size_t count, std::size_t candidates, std::uint64_t seed) {
  std::uint64_t draw = 0;
  const auto number = [&](std::uint64_t below) {
    return core::random_bits({.seed = seed, .purpose = core::Purpose::kData, .token = draw++}) % below;
  };
  const auto tokens = [&](std::size_t length) {
    std::vector<std::int32_t> ids(length);
    for (auto& id : ids) id = static_cast<std::int32_t>(number(23));
    return ids;
  };
  std::vector<OwnedRow> rows(count);
  for (std::size_t r = 0; r < count; ++r) {
    rows[r].index = static_cast<std::int64_t>(r);
    rows[r].prompt = tokens(1 + number(5));
    for (std::size_t c = 0; c < candidates; ++c) {
      rows[r].completions.push_back(tokens(1 + number(6)));
      std::vector<std::uint8_t> mask(rows[r].completions.back().size(), 1);
      if (mask.size() > 2) mask[1] = 0;  // a hole, as tool outputs leave
      rows[r].masks.push_back(mask);
      const auto length = static_cast<std::int32_t>(mask.size());
      rows[r].step_ends.push_back(length > 2 ? std::vector<std::int32_t>{length / 2, length - 1}
                                             : std::vector<std::int32_t>{length - 1});
    }
  }
  return rows;
}

/// The first candidate is the best; rewards are 1, 1/2, 1/3 …; every second row is labelled bad;
/// the last candidate is the greedy one; first steps are right, second ones rather not.
inline std::vector<data::TokenizedRow> views(const std::vector<OwnedRow>& rows) {
  std::vector<data::TokenizedRow> views;
  for (const auto& row : rows) {
    data::TokenizedRow view;
    view.index = row.index;
    view.prompt = row.prompt;
    for (std::size_t c = 0; c < row.completions.size(); ++c) {
      data::TokenizedCandidate candidate;
      candidate.completion = row.completions[c];
      candidate.mask = row.masks[c];
      candidate.step_ends = row.step_ends[c];
      candidate.said.step_scores = std::vector<double>{1, 0.3};
      candidate.said.step_scores.resize(row.step_ends[c].size());
      candidate.said.rank = static_cast<double>(c);
      candidate.said.reward = 1.0 / static_cast<double>(c + 1 + static_cast<std::size_t>(row.index % 2));
      candidate.said.label = (c + static_cast<std::size_t>(row.index)) % 2 == 0;
      if (c + 1 == row.completions.size()) candidate.said.source = "greedy";  // ReMax's baseline
      view.candidates.push_back(candidate);
    }
    views.push_back(view);
  }
  return views;
}

/// How many candidates a row of the method's kind has.
inline std::size_t candidates_for(const algorithm::Method& method) {
  switch (method.shape()) {
    case record::GroupShape::kDemonstrations:
    case record::GroupShape::kLabels:
      return 1;
    case record::GroupShape::kPairs:
      return 2;
    default:
      return 4;
  }
}

using Gradients = std::map<std::string, at::Tensor>;

inline Gradients take_gradients(model::Model& model) {
  Gradients gradients;
  for (auto& parameter : model.trainable()) {
    auto& gradient = parameter.tensor.mutable_grad();
    gradients[parameter.name] = gradient.defined() ? gradient.clone() : at::zeros_like(parameter.tensor);
    gradient = at::Tensor();
  }
  return gradients;
}

/// The largest difference, relative to the largest gradient.
inline double distance(const Gradients& a, const Gradients& b) {
  double largest = 1e-12, difference = 0;
  for (const auto& [name, gradient] : a) {
    largest = std::max(largest, gradient.abs().max().item<double>());
    difference = std::max(difference, (gradient - b.at(name)).abs().max().item<double>());
  }
  return difference / largest;
}

}  // namespace attune::training::fixture
