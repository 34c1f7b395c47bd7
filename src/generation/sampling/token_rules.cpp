#include "generation/sampling/token_rules.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/error.h"

namespace attune::generation {
namespace {

constexpr float kForbidden = -std::numeric_limits<float>::infinity();

void forbid(std::span<float> logits, std::int64_t token) {
  if (token >= 0 && token < std::ssize(logits)) logits[static_cast<std::size_t>(token)] = kForbidden;
}

/// A list of at least one id of the vocabulary.
bool is_id_list(const core::Json& ids, std::int64_t vocabulary) {
  return ids.is_array() && !ids.empty() && std::all_of(ids.begin(), ids.end(), [&](const core::Json& id) {
           return id.is_number_integer() && id.get<std::int64_t>() >= 0 &&
                  id.get<std::int64_t>() < vocabulary;
         });
}

void check_list(const core::Json& list, const char* key, const char* shape, std::int64_t vocabulary,
                bool (*fits)(const core::Json&, std::int64_t)) {
  if (list.is_null()) return;
  if (!list.is_array())
    core::fail_request("{} is {}, expected a list of {}", key, core::to_line(list), shape);
  for (const core::Json& entry : list)
    if (!fits(entry, vocabulary))
      core::fail_request("{} holds {}, expected {}; the model has ids 0 to {}", key, core::to_line(entry),
                         shape, vocabulary - 1);
}

bool is_bias(const core::Json& entry, std::int64_t vocabulary) {
  return entry.is_array() && entry.size() == 2 && is_id_list(entry[0], vocabulary) && entry[1].is_number();
}

}  // namespace

void TokenRules::declare(core::Fields& fields) {
  const char* model = "generation_config.json";
  const auto add = [&](const char* name, auto& target, const char* help) -> core::Field& {
    return fields.add(name, target, help).default_from(model);
  };
  add("no_repeat_ngram_size", no_repeat_ngram_size,
      "No run of so many tokens occurs twice, prompt included; 0 is off.")
      .non_negative();
  add("encoder_no_repeat_ngram_size", encoder_no_repeat_ngram_size,
      "No run of so many tokens of the prompt occurs in the completion; 0 is off.")
      .non_negative();
  add("min_new_tokens", min_new_tokens, "No completion ends before so many tokens.").non_negative();
  add("min_length", min_length, "The same, prompt included; min_new_tokens goes before it.").non_negative();
  add("suppress_tokens", suppress_tokens, "Ids that are never drawn.");
  add("begin_suppress_tokens", begin_suppress_tokens, "Ids that are not drawn first.");
  add("forced_bos_token_id", forced_bos_token_id,
      "The first id that is drawn, where the prompt is one token; -1 is off.")
      .range(-1, 1e9);
  add("forced_eos_token_id", forced_eos_token_id,
      "Ids of which one is drawn last, where the longest completion is reached.");
  add("bad_words_ids", bad_words_ids, "Lists of ids that never occur in a row.")
      .shown_type("list of lists of ids");
  add("sequence_bias", sequence_bias,
      "Entries [ids, bias]: added to the logit of the last id behind the others.")
      .shown_type("list of [ids, bias]");
  add("exponential_decay_length_penalty", exponential_decay_length_penalty,
      "[start, factor]: from so many tokens on, ending grows likelier with every token.");
}

void TokenRules::check(std::int64_t vocabulary) const {
  check_list(bad_words_ids, "bad_words_ids", "lists of ids", vocabulary, is_id_list);
  check_list(sequence_bias, "sequence_bias", "[ids, bias]", vocabulary, is_bias);
  const auto check_id = [&](std::int64_t id, const char* key) {
    if (id < 0 || id >= vocabulary)
      core::fail_request("{}={}: the model has ids 0 to {}", key, id, vocabulary - 1);
  };
  if (forced_bos_token_id != -1) check_id(forced_bos_token_id, "forced_bos_token_id");
  for (const std::int64_t id : forced_eos_token_id) check_id(id, "forced_eos_token_id");
  const auto& decay = exponential_decay_length_penalty;
  if (!decay.empty() && (decay.size() != 2 || decay[0] < 0 || decay[1] <= 0))
    core::fail_request(
        "exponential_decay_length_penalty is [{}], expected [start, factor]: a count of tokens and a number "
        "above 0",
        fmt::join(decay, ", "));
}

bool SampleIds::ends_in(std::span<const std::int32_t> ids) const {
  if (ids.size() > size()) return false;
  for (std::size_t i = 0; i < ids.size(); ++i)
    if ((*this)[size() - ids.size() + i] != ids[i]) return false;
  return true;
}

TokenRuler::TokenRuler(const TokenRules& rules) : rules_(rules) {
  // Of entries with the same ids the last counts, as in the dictionary that transformers makes of them.
  const auto put = [](std::vector<Bias>& list, std::vector<std::int32_t> ids, float bias) {
    const std::int32_t last = ids.back();
    ids.pop_back();
    const auto same = std::find_if(list.begin(), list.end(), [&](const Bias& entry) {
      return entry.last == last && entry.before == ids;
    });
    if (same != list.end()) {
      same->bias = bias;
    } else {
      list.push_back({std::move(ids), last, bias});
    }
  };
  for (const core::Json& entry : rules_.sequence_bias)
    put(favoured_, entry[0].get<std::vector<std::int32_t>>(), entry[1].get<float>());
  for (const core::Json& ids : rules_.bad_words_ids)
    put(forbidden_, ids.get<std::vector<std::int32_t>>(), kForbidden);
}

void TokenRuler::favour(const SampleIds& ids, std::span<float> logits) const {
  if (favoured_.empty()) return;
  std::vector<std::pair<std::size_t, float>> sums;  // of each token, before it is added: as in the reference
  for (const Bias& entry : favoured_) {
    if (!ids.ends_in(entry.before)) continue;
    const auto token = static_cast<std::size_t>(entry.last);
    const auto at =
        std::find_if(sums.begin(), sums.end(), [&](const auto& sum) { return sum.first == token; });
    if (at != sums.end()) {
      at->second += entry.bias;
    } else {
      sums.emplace_back(token, entry.bias);
    }
  }
  for (const auto& [token, bias] : sums) logits[token] += bias;
}

void TokenRuler::forbid_repeats(const SampleIds& ids, std::size_t n, std::size_t known,
                                std::span<float> logits) {
  if (n == 0 || ids.size() + 1 < n) return;
  const std::size_t last = ids.size() - (n - 1);  // where the tokens begin that the next one would complete
  for (std::size_t begin = 0; begin + n <= known; ++begin) {
    std::size_t equal = 0;
    while (equal + 1 < n && ids[begin + equal] == ids[last + equal]) ++equal;
    if (equal + 1 == n) forbid(logits, ids[begin + n - 1]);
  }
}

void TokenRuler::forbid_words(const SampleIds& ids, std::span<const std::int32_t> ends,
                              std::span<float> logits) const {
  for (const Bias& entry : forbidden_) {
    const bool is_end = entry.before.empty() && std::find(ends.begin(), ends.end(), entry.last) != ends.end();
    if (!is_end && ids.ends_in(entry.before)) forbid(logits, entry.last);  // one may always end
  }
}

void TokenRuler::lengthen(const SampleIds& ids, std::span<const std::int32_t> ends,
                          std::span<float> logits) const {
  const bool too_short = rules_.min_new_tokens > 0
                             ? static_cast<std::int64_t>(ids.drawn()) < rules_.min_new_tokens
                             : static_cast<std::int64_t>(ids.size()) < rules_.min_length;
  if (too_short)
    for (const std::int32_t end : ends) forbid(logits, end);
}

void TokenRuler::force(const SampleIds& ids, std::int64_t longest, std::span<float> logits) const {
  const auto only = [&](std::span<const std::int64_t> tokens) {
    std::ranges::fill(logits, kForbidden);
    for (const std::int64_t token : tokens) logits[static_cast<std::size_t>(token)] = 0;
  };
  if (rules_.forced_bos_token_id >= 0 && ids.size() == 1) only({&rules_.forced_bos_token_id, 1});
  if (!rules_.forced_eos_token_id.empty() && static_cast<std::int64_t>(ids.drawn()) == longest - 1)
    only(rules_.forced_eos_token_id);
}

void TokenRuler::hasten(const SampleIds& ids, std::span<const std::int32_t> ends,
                        std::span<float> logits) const {
  const auto& decay = rules_.exponential_decay_length_penalty;
  if (decay.empty() || static_cast<double>(ids.drawn()) <= decay[0]) return;
  const auto factor = static_cast<float>(std::pow(decay[1], static_cast<double>(ids.drawn()) - decay[0]) - 1);
  for (const std::int32_t end : ends) {
    float& logit = logits[static_cast<std::size_t>(end)];
    if (std::isfinite(logit)) logit += std::abs(logit) * factor;
  }
}

void TokenRuler::restrict(const SampleIds& ids, std::span<const std::int32_t> ends, std::int64_t longest,
                          std::span<float> logits) const {
  forbid_repeats(ids, static_cast<std::size_t>(rules_.no_repeat_ngram_size), ids.size(), logits);
  forbid_repeats(ids, static_cast<std::size_t>(rules_.encoder_no_repeat_ngram_size), ids.prompt_size(),
                 logits);
  forbid_words(ids, ends, logits);
  lengthen(ids, ends, logits);
  force(ids, longest, logits);
  hasten(ids, ends, logits);
  for (const std::int64_t token : rules_.suppress_tokens) forbid(logits, token);
  const std::size_t first = ids.prompt_size() <= 1 && rules_.forced_bos_token_id >= 0 ? 1 : 0;
  if (ids.drawn() != first) return;
  for (const std::int64_t token : rules_.begin_suppress_tokens) forbid(logits, token);
}

}  // namespace attune::generation
