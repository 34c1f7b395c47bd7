// How much of what the machine can do training and sampling get: matrix products bound the one, reading
// weights from memory the other.
#include <ATen/ATen.h>

#include <algorithm>
#include <functional>
#include <limits>

#include "cli/selftest_check.h"
#include "core/system.h"
#include "generation/generator.h"
#include "generation/scorer.h"
#include "training/step/engine.h"

namespace attune::cli {
namespace {

constexpr std::int64_t kVocabulary = 8192, kSequences = 4, kLength = 128, kNewTokens = 24;

double best_seconds(int repeats, const std::function<void()>& work) {
  double best = std::numeric_limits<double>::infinity();
  for (int i = 0; i < repeats; ++i) {
    const core::Stopwatch watch;
    work();
    best = std::min(best, watch.seconds());
  }
  return best;
}

/// Floating-point operations a second in a large float32 product.
double product_limit() {
  constexpr std::int64_t n = 1024;
  const at::Tensor a = at::ones({n, n}), b = at::ones({n, n});
  at::Tensor c = at::empty({n, n});
  return 2.0 * n * n * n / best_seconds(8, [&] { at::mm_out(c, a, b); });
}

/// Bytes a second read from memory by a product of a large matrix with one vector.
double read_limit() {
  constexpr std::int64_t rows = 16384, columns = 4096;  // 256 MB: no cache holds it
  const at::Tensor matrix = at::ones({rows, columns}), vector = at::ones({columns});
  at::Tensor out = at::empty({rows});
  return 4.0 * rows * columns / best_seconds(4, [&] { at::mv_out(out, matrix, vector); });
}

/// 21 million weights: products large enough to be bound by the machine, small enough for a second.
model::Model middle_sized_model() {
  return model::Model::random(
      core::Json::parse(R"({"architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 8192,
        "hidden_size": 512, "intermediate_size": 1408, "num_hidden_layers": 6, "num_attention_heads": 8,
        "num_key_value_heads": 8, "max_position_embeddings": 512, "rms_norm_eps": 1e-6, "tie_word_embeddings": true})"),
      1);
}

std::vector<std::int32_t> ids_from(std::int64_t start, std::int64_t count) {
  std::vector<std::int32_t> ids;
  for (std::int64_t i = 0; i < count; ++i)
    ids.push_back(static_cast<std::int32_t>((start + 37 * i) % kVocabulary));
  return ids;
}

class Speed : public SelftestCheck {
 public:
  std::string title() const override { return "speed"; }

  SelftestResult run(const SelftestBench&) const override {
    model::Model model = middle_sized_model();
    const auto weights = static_cast<double>(model::Model::count_weights(model.config()));
    const double products = product_limit(), reads = read_limit();
    const double trained = training_speed(model), sampled = sampling_speed(model);
    const double training_share =
        6 * weights * trained / products;  // two operations a weight forward, four backward
    const double sampling_share = 4 * weights * sampled / reads;  // float32 weights are read once a token
    const auto text = fmt::format(
        "training {:.0f} tokens/s = {:.0f} % of this machine's {:.0f} GFLOP/s; sampling {:.0f} tokens/s = "
        "{:.0f} % of its {:.1f} GB/s ({:.0f} million weights{})",
        trained, 100 * training_share, products / 1e9, sampled, 100 * sampling_share, reads / 1e9,
        weights / 1e6, std::min(training_share, sampling_share) < 0.3 ? "; low: is the machine busy?" : "");
    return {true,
            text,
            {{"matmul_gflops", products / 1e9},
             {"read_gb_per_second", reads / 1e9},
             {"training_tokens_per_second", trained},
             {"training_share", training_share},
             {"sampling_tokens_per_second", sampled},
             {"sampling_share", sampling_share}}};
  }

 private:
  static double training_speed(model::Model& model) {
    training::Step step;
    for (std::int64_t i = 0; i < kSequences; ++i)
      step.items.push_back(generation::text_item(ids_from(i, 1), ids_from(i + 1, kLength - 1), i));
    step.candidates.resize(step.items.size());
    const auto method = algorithm::make_method(core::Value::scalar("sft", false, "selftest"));
    model.trainable();
    training::Engine engine(model, {}, {.micro_batch_tokens = kSequences * kLength});
    algorithm::State state;
    return static_cast<double>(step.tokens()) / best_seconds(3, [&] { engine.run(step, *method, state); });
  }

  static double sampling_speed(const model::Model& model) {
    generation::SamplingOptions options;
    options.max_new_tokens = kNewTokens;
    options.temperature = 0;
    const generation::Generator generator(model, nullptr);
    const std::vector<generation::Prompt> prompts = {{ids_from(5, 8), 0}};
    double tokens = 0;
    const double seconds = best_seconds(3, [&] {
      tokens = static_cast<double>(generator.generate(prompts, options, 0).front().front().ids.size());
    });
    return tokens / seconds;
  }
};

}  // namespace

std::unique_ptr<SelftestCheck> selftest_speed() { return std::make_unique<Speed>(); }

}  // namespace attune::cli
