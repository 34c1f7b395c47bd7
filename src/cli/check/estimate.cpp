#include "cli/check/estimate.h"

#include <algorithm>
#include <cmath>

#include "cli/check/micro_batches.h"
#include "core/system.h"
#include "model/files/safetensors.h"
#include "model/footprint.h"
#include "model/signal.h"
#include "training/method_needs.h"
#include "training/reference/model.h"
#include "training/run/recipe/resolve.h"

namespace attune::cli {
namespace {

/// What the program and its libraries take before any model is loaded. Whether the system has gathered the
/// libraries' files in huge pages differs from machine to machine and from day to day: a page of 4 KiB that is
/// read then brings 2 MiB in, of which about a quarter would have come anyway, and training reads twice as many
/// of them as had been read when this is asked.
double program_bytes() { return 130e6 + 0.75 * 2 * 1e6 * core::huge_file_pages_mb(); }
/// Copies of a chunk of logits that reading and differentiating a signal makes, and how many more where it is
/// compared with the logits of another model.
constexpr double kChunkCopies = 4, kComparedCopies = 3;
/// What the allocator holds for each number that a layer's pass needs: blocks of other sizes lie between.
constexpr double kHeld = 1.12;

/// Near what the trainer counts where batches end by their tokens, the same where they do not.
double estimated_steps_per_epoch(const training::TrainingOptions& options,
                                 const data::DatasetSummary& summary) {
  const std::int64_t records = std::max<std::int64_t>(1, options.batch_size * options.gradient_accumulation);
  const double by_records = std::ceil(static_cast<double>(summary.rows_kept) / static_cast<double>(records));
  if (options.tokens_per_batch == 0) return std::max(1.0, by_records);
  const double by_tokens =
      static_cast<double>(summary.tokens) / static_cast<double>(options.tokens_per_batch);
  return std::max({1.0, by_records, std::ceil(by_tokens)});
}

/// Tokens of each row as they are computed: its prompt once, or once for every completion; with the
/// completions that a method derives. Numbers are read at the trained ones.
std::vector<Load> loads_of(const training::TrainRecipe& recipe,
                           const std::vector<training::TermSetting>& terms, const DataCheck& data) {
  const bool derives = std::any_of(terms.begin(), terms.end(), [](const auto& term) {
    return term.method->derived() != algorithm::Derived::kNone;
  });
  const bool shares = recipe.training.share_prefixes;
  const std::int64_t times = derives ? 2 : 1;
  std::vector<Load> rows;
  for (const RowSize& row : data.sizes) {
    const std::int64_t sequences = std::max<std::int64_t>(1, row.sequences);
    const std::int64_t prompts = row.prompt * (shares ? 1 : times * sequences);
    rows.push_back({prompts + times * row.completions, times * row.trained});
  }
  return rows;
}

bool reads_words(const std::vector<training::TermSetting>& terms) {
  return training::any_term(terms, [](const auto& need) { return !training::reads_head(need); });
}

/// What one token and one chunk of logits take.
struct Costs {
  double token, copies, word, chunk_rows;  ///< bytes a token; copies of chunk_rows rows of `word` bytes

  static Costs of(const model::Footprint& size, const model::ModelConfig& config, double bytes,
                  const std::vector<training::TermSetting>& terms) {
    const auto vocabulary = static_cast<double>(config.vocab_size);
    const bool compares = training::any_term(terms, training::compares_distributions);
    return {bytes * static_cast<double>(size.taped + size.passing),
            reads_words(terms) ? kChunkCopies + (compares ? kComparedCopies : 0) : 0, 4 * vocabulary,
            std::max(64., static_cast<double>(model::kChunkElements) / vocabulary)};
  }
  double of_layers(const Load& load) const { return kHeld * token * static_cast<double>(load.computed); }
  double of_words(const Load& load) const {
    return copies * word * std::min(chunk_rows, static_cast<double>(load.read));
  }
};

/// The peak of a run's memory: while weights are read, when the activations of a micro-batch are all there
/// and its signals are read, or when they have turned into gradients.
double peak_bytes(const training::TrainRecipe& recipe, const std::vector<training::TermSetting>& terms,
                  const model::ModelConfig& config, const model::Footprint& size,
                  const std::vector<MicroBatch>& batches) {
  const auto real = [](std::int64_t count) { return static_cast<double>(count); };
  const double bytes = static_cast<double>(c10::elementSize(model::scalar_type_from_setting(
      recipe.training.dtype != "float32" ? recipe.training.dtype : recipe.model.dtype)));
  const bool lora = recipe.adapter.type != "none";
  const bool second =
      training::holds_second_model(recipe, lora, training::any_term(terms, training::reads_start(recipe)));
  // an adapter is float32 whatever the model's type
  const double trained_bytes = lora ? 4 : bytes;
  const double models = bytes * real(size.weights) * (second ? 2 : 1) + trained_bytes * real(size.adapter);
  const double averages = recipe.training.ema_decay > 0 ? trained_bytes * real(size.trained) : 0;
  const double program = program_bytes();
  const double kept = program + models + averages + 8 * real(size.trained);  // AdamW's two moments
  // the gradient of the embedding is made apart before it is added
  const double gradients = trained_bytes * real(size.trained + size.embedding);
  // While words are read, the gradient of the output head is there.
  const double head = reads_words(terms) && !lora ? bytes * real(config.vocab_size * config.hidden_size) : 0;
  const Costs costs = Costs::of(size, config, bytes, terms);
  double peak = program + models + bytes * real(size.weights);  // loading: the file is mapped beside it
  for (const MicroBatch& batch : batches) {
    const double layers = costs.of_layers(batch.load);
    peak = std::max({peak, kept + layers + costs.of_words(batch.load) + (batch.first ? head : gradients),
                     kept + gradients + layers / 2});
  }
  return peak;
}

}  // namespace

core::Json estimate_training(const training::TrainRecipe& recipe,
                             const std::vector<training::TermSetting>& terms,
                             const model::ModelConfig& config, const DataCheck& data) {
  const auto rows = loads_of(recipe, terms, data);
  const model::Footprint size = model::footprint(config, recipe.adapter, training::heads_of_terms(terms));
  const double per_epoch = estimated_steps_per_epoch(recipe.training, data.summary);
  const std::int64_t updates = training::updates_in(recipe.training, per_epoch);
  const auto steps = static_cast<double>(updates);
  const double memory = peak_bytes(recipe, terms, config, size, micro_batches(rows, recipe, updates));
  // Forward, backward and the reference's forward: 8 operations a weight and token, 20e9 a second and core.
  const double cores = static_cast<double>(std::max<std::int64_t>(1, recipe.threads));
  std::int64_t computed = 0;
  for (const Load& row : rows) computed += row.computed;
  const double tokens = static_cast<double>(computed) * steps / per_epoch;
  const double work = tokens * static_cast<double>(size.weights) * 8;
  return {{"parameters", size.weights},
          {"trained", size.trained},
          {"memory_mb", std::round(memory / 1e6)},
          {"steps", updates},
          {"seconds", std::round(work / (20e9 * cores) * 10) / 10}};
}

}  // namespace attune::cli
