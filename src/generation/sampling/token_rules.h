// What a request forbids or favours among the next tokens, whatever the model's distribution: names, meaning
// and order of transformers' logits processors.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "core/config/fields.h"
#include "core/json.h"

namespace attune::generation {

/// Settings of the rules, off by default.
struct TokenRules {
  std::int64_t no_repeat_ngram_size = 0, encoder_no_repeat_ngram_size = 0;
  std::int64_t min_new_tokens = 0, min_length = 0;  ///< the first where both are set
  std::vector<std::int64_t> suppress_tokens, begin_suppress_tokens;
  std::int64_t forced_bos_token_id = -1;                 ///< below 0: none
  std::vector<std::int64_t> forced_eos_token_id;         ///< one of them is the last token that fits
  std::vector<double> exponential_decay_length_penalty;  ///< {start, factor}, or nothing
  core::Json bad_words_ids;                              ///< [[id, …], …]
  core::Json sequence_bias;                              ///< [[[id, …], bias], …]
  void declare(core::Fields& fields);
  /// @throws Error{kRequest}: a shape that is none of these, ids that the vocabulary does not have
  void check(std::int64_t vocabulary) const;
};

/// The ids that a sample consists of so far, read as one sequence.
class SampleIds {
 public:
  SampleIds(std::span<const std::int32_t> prompt, std::span<const std::int32_t> completion)
      : prompt_(prompt), completion_(completion) {}
  std::size_t size() const { return prompt_.size() + completion_.size(); }
  std::int32_t operator[](std::size_t i) const {
    return i < prompt_.size() ? prompt_[i] : completion_[i - prompt_.size()];
  }
  std::size_t prompt_size() const { return prompt_.size(); }
  std::size_t drawn() const { return completion_.size(); }
  /// Whether the last ids are these.
  bool ends_in(std::span<const std::int32_t> ids) const;

 private:
  std::span<const std::int32_t> prompt_, completion_;
};

/// The rules made ready; they remember nothing of a sample.
class TokenRuler {
 public:
  TokenRuler() = default;
  /// @param rules have been checked
  explicit TokenRuler(const TokenRules& rules);

  /// sequence_bias, which comes before the repetition penalty.
  void favour(const SampleIds& ids, std::span<float> logits) const;
  /// The others: no_repeat_ngram_size → encoder_no_repeat_ngram_size → bad_words_ids → min_length,
  /// min_new_tokens → forced_bos_token_id → forced_eos_token_id → exponential_decay_length_penalty →
  /// suppress_tokens → begin_suppress_tokens.
  /// @param ends ids that end a completion
  /// @param longest tokens that a completion of this prompt may have
  void restrict(const SampleIds& ids, std::span<const std::int32_t> ends, std::int64_t longest,
                std::span<float> logits) const;

 private:
  /// Added to the logit of `last` where the sample ends in `before`.
  struct Bias {
    std::vector<std::int32_t> before;
    std::int32_t last;
    float bias;
  };
  /// @param known how many of the ids are looked at for runs
  static void forbid_repeats(const SampleIds& ids, std::size_t n, std::size_t known, std::span<float> logits);
  void forbid_words(const SampleIds& ids, std::span<const std::int32_t> ends, std::span<float> logits) const;
  void lengthen(const SampleIds& ids, std::span<const std::int32_t> ends, std::span<float> logits) const;
  void force(const SampleIds& ids, std::int64_t longest, std::span<float> logits) const;
  void hasten(const SampleIds& ids, std::span<const std::int32_t> ends, std::span<float> logits) const;

  TokenRules rules_;
  std::vector<Bias> favoured_, forbidden_;
};

}  // namespace attune::generation
