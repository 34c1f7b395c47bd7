#include "cli/estimate.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

#include "core/system.h"
#include "model/files/safetensors.h"
#include "model/footprint.h"
#include "model/signal.h"
#include "training/method_needs.h"
#include "training/reference/model.h"
#include "training/run/resolve.h"

namespace attune::cli {
namespace {

/// What the program and its libraries take before any model is loaded. Whether the system has gathered the
/// libraries' files in huge pages differs from machine to machine and from day to day: a page of 4 KiB that is
/// read then brings 2 MiB in, of which about a quarter would have come anyway, and training reads twice as many
/// of them as had been read when this is asked.
double program_bytes() { return 130e6 + 0.75 * 2 * 1e6 * core::huge_file_pages_mb(); }
/// Copies of a chunk of logits that reading and differentiating a signal makes.
constexpr double kChunkCopies = 7;

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
/// completions that a method derives.
std::vector<std::int64_t> computed_tokens(const training::TrainRecipe& recipe,
                                          const std::vector<training::TermSetting>& terms,
                                          const DataCheck& data) {
  const bool derives = std::any_of(terms.begin(), terms.end(), [](const auto& term) {
    return term.method->derived() != algorithm::Derived::kNone;
  });
  const bool shares = recipe.training.share_prefixes;
  std::vector<std::int64_t> rows;
  for (const RowSize& row : data.sizes) {
    const std::int64_t prompts = row.prompt * (shares ? 1 : std::max<std::int64_t>(1, row.sequences));
    rows.push_back(derives ? (shares ? prompts : 2 * prompts) + 2 * row.completions
                           : prompts + row.completions);
  }
  return rows;
}

struct MicroBatch {
  double tokens = 0;  ///< of the fullest one
  bool alone = true;  ///< the step has no other
};

/// Whole rows of one step, the longest first, up to the budget.
MicroBatch fullest_micro_batch(const training::TrainingOptions& options, std::vector<std::int64_t> rows,
                               const std::vector<std::int64_t>& lengths) {
  const std::int64_t budget = options.micro_batch_tokens > 0 ? options.micro_batch_tokens : 2048;
  const std::int64_t longest = lengths.empty() ? 0 : *std::max_element(lengths.begin(), lengths.end());
  std::sort(rows.begin(), rows.end(), std::greater<>());
  const auto records =
      static_cast<std::size_t>(std::max<std::int64_t>(1, options.batch_size * options.gradient_accumulation));
  std::int64_t tokens = 0;
  MicroBatch fullest;
  for (std::size_t i = 0; i < std::min(records, rows.size()); ++i) {
    fullest.alone = i == 0 || tokens + rows[i] <= budget;
    if (!fullest.alone) break;
    tokens += rows[i];
  }
  fullest.alone = fullest.alone && tokens <= budget;
  fullest.tokens = static_cast<double>(std::min(tokens, std::max(budget, longest)));
  return fullest;
}

/// The peak of a run's memory: while weights are read, when the activations of a micro-batch are all there
/// and its signals are read, or when they have turned into gradients.
double peak_bytes(const training::TrainRecipe& recipe, const std::vector<training::TermSetting>& terms,
                  const model::ModelConfig& config, const model::Footprint& size, const MicroBatch& batch) {
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
  const double vocabulary = real(config.vocab_size);
  const double chunk =
      std::min(batch.tokens * vocabulary, std::max(real(model::kChunkElements), 64 * vocabulary));
  const bool reads_words = std::any_of(terms.begin(), terms.end(), [](const auto& term) {
    return training::any_need(*term.method, [](const auto& need) { return !training::reads_head(need); });
  });
  const double taped = bytes * batch.tokens * real(size.taped + size.passing);
  const double reading = taped + (reads_words ? kChunkCopies * 4 * chunk : 0) + (batch.alone ? 0 : gradients);
  const double loading = program + models + bytes * real(size.weights);  // its file is mapped beside it
  return std::max({loading, kept + reading, kept + gradients + taped / 2});
}

}  // namespace

core::Json estimate_training(const training::TrainRecipe& recipe,
                             const std::vector<training::TermSetting>& terms,
                             const model::ModelConfig& config, const DataCheck& data) {
  const auto rows = computed_tokens(recipe, terms, data);
  const model::Footprint size = model::footprint(config, recipe.adapter, training::heads_of_terms(terms));
  const double memory =
      peak_bytes(recipe, terms, config, size, fullest_micro_batch(recipe.training, rows, data.lengths));
  const double per_epoch = estimated_steps_per_epoch(recipe.training, data.summary);
  const auto steps = static_cast<double>(training::updates_in(recipe.training, per_epoch));
  // Forward, backward and the reference's forward: 8 operations a weight and token, 20e9 a second and core.
  const double cores = static_cast<double>(std::max<std::int64_t>(1, recipe.threads));
  const double tokens =
      static_cast<double>(std::accumulate(rows.begin(), rows.end(), std::int64_t{0})) * steps / per_epoch;
  const double work = tokens * static_cast<double>(size.weights) * 8;
  return {{"parameters", size.weights},
          {"trained", size.trained},
          {"memory_mb", std::round(memory / 1e6)},
          {"steps", static_cast<std::int64_t>(steps)},
          {"seconds", std::round(work / (20e9 * cores) * 10) / 10}};
}

}  // namespace attune::cli
