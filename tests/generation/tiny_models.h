// Random tiny models whose distributions are far from uniform, and the slow way to ask them: a full forward
// pass over the whole sequence for every token.
#pragma once

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/GradMode.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/forest.h"
#include "model/model.h"
#include "tests/tolerance.h"

namespace attune::generation {

inline model::Model tiny_model(const std::string& config) {
  at::set_num_threads(1);  // waking a second thread costs more than these models
  model::Model model = model::Model::random(core::parse_json(config, "test"), 7);
  const c10::NoGradGuard no_gradients;
  // normal(0, 0.02) gives nearly equal logits; larger weights make wrong attention visible.
  const auto enlarge = [](at::Tensor& weight) { weight.mul_(8); };
  enlarge(model.weights().embedding);
  if (model.weights().positions.defined()) enlarge(model.weights().positions);
  for (model::Layer& layer : model.weights().layers) {
    for (model::Linear& linear : layer.qkv) enlarge(linear.weight);
    enlarge(layer.output.weight);
    for (model::Linear& linear : layer.up) enlarge(linear.weight);
    enlarge(layer.down.weight);
  }
  return model;
}

inline const char* const kLlama = R"({"model_type": "llama", "vocab_size": 61, "hidden_size": 32,
  "intermediate_size": 48, "num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 2,
  "max_position_embeddings": 96, "eos_token_id": 2, "bos_token_id": 1, "tie_word_embeddings": true})";
inline const char* const kWindowed = R"({"model_type": "mistral", "vocab_size": 61, "hidden_size": 40,
  "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 5, "num_key_value_heads": 1,
  "head_dim": 8, "max_position_embeddings": 128, "sliding_window": 7, "eos_token_id": null})";
inline const char* const kQwen = R"({"model_type": "qwen2", "vocab_size": 61, "hidden_size": 24,
  "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 2,
  "max_position_embeddings": 96, "eos_token_id": null, "rope_theta": 1000000.0,
  "rope_scaling": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                   "original_max_position_embeddings": 32}})";
inline const char* const kGpt2 =
    R"({"model_type": "gpt2", "vocab_size": 61, "n_embd": 36, "n_layer": 2, "n_head": 3,
  "n_positions": 64, "eos_token_id": null})";

/// Log-probabilities of the next token after `ids`: [V], by a full forward pass.
inline at::Tensor next_logps(const model::Model& model, std::span<const std::int32_t> ids) {
  const c10::NoGradGuard no_gradients;
  const core::TokenSequence sequence{ids, 0, model.config().table_of(static_cast<std::int64_t>(ids.size()))};
  const at::Tensor hidden = model.hidden(core::build_forest(std::span(&sequence, 1), false));
  const model::Head head = model.head();
  at::Tensor logits = at::linear(hidden[-1], head.weight, head.bias);
  return at::log_softmax(logits.to(at::kFloat), -1);
}

/// log π of each id of `completion` after `prompt`, each by its own full forward pass.
inline std::vector<double> slow_logps(const model::Model& model, std::vector<std::int32_t> prompt,
                                      const std::vector<std::int32_t>& completion) {
  std::vector<double> logps;
  for (const std::int32_t id : completion) {
    logps.push_back(next_logps(model, prompt)[id].item<double>());
    prompt.push_back(id);
  }
  return logps;
}

inline std::vector<std::int32_t> numbers(std::int32_t count, std::int32_t factor, std::int32_t start = 3) {
  std::vector<std::int32_t> ids;
  for (std::int32_t i = 0; i < count; ++i) ids.push_back(3 + (start + i * factor) % 58);
  return ids;
}

/// What two computations of a log-probability may differ by: e^-12 is less than what is drawn here.
inline double rounding(const model::Model& model, std::int64_t tokens = 64) {
  return attune::test::logp_tolerance(model.config(), -12, tokens);
}

}  // namespace attune::generation
