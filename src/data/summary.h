// What was read, for `check`, progress and run.json.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "core/json.h"
#include "data/noticed.h"
#include "record/pairing.h"

namespace attune::data {

/// What the feedback of the kept rows is like.
struct FeedbackSpread {
  std::int64_t good = 0, bad = 0, rated = 0, steps = 0, preferred = 0;
  double lowest = 0, highest = 0;            ///< of the rewards
  double lowest_step = 0, highest_step = 0;  ///< of the steps' scores
  std::string source;                        ///< of the first preferred answer
  bool several_sources = false;              ///< another preferred answer has another
  std::string first;                         ///< the first row
  void count(const record::Candidate& said, const std::string& where);
};

struct DatasetSummary {
  std::string format;
  std::string pairing;  ///< how rated candidates become what is learned from; "" when nobody learns
  std::int64_t rows_read = 0, rows_kept = 0, candidates = 0, tokens = 0, trained_tokens = 0, straddling = 0,
               truncated = 0;
  std::int64_t longest = 0;           ///< tokens of the longest sequence, prompt included
  std::int64_t pairs = 0;             ///< comparisons of the kept rows; 0 where a method takes none
  std::int64_t teaching_nothing = 0;  ///< kept rows that the method learns nothing from
  FeedbackSpread spread;
  record::PairingCounts feedback;               ///< what the pairing left out and what it derived
  std::map<std::string, std::int64_t> dropped;  ///< reason → rows (unusable; malformed under on_error=skip)
  std::map<std::string, std::vector<std::string>>
      dropped_examples;           ///< reason → "prefs.jsonl:17: detail" of its first three rows
  Noticed noticed;                ///< what is to be said of the rows that were read
  std::uint64_t fingerprint = 0;  ///< of content, tokenizer, template and options
  void drop(const std::string& reason, const std::string& where, const std::string& detail);
  /// Counts a kept row that stands there `copies` times.
  /// @param masks of its completions, 1 where a token is trained on
  void count_sequences(std::int64_t prompt, std::span<const std::span<const std::uint8_t>> masks,
                       std::int64_t copies = 1);
};

/// Every count, as run.json and `check` show them and as the cache keeps them (the fingerprint apart).
core::Json to_json(const DatasetSummary& summary);
DatasetSummary summary_from_json(const core::Json& json, std::uint64_t fingerprint);
/// A line for each reason, its rows and the first of them; "" when nothing was left out.
std::string left_out_text(const DatasetSummary& summary);
/// "rewards from labels (good is 1, bad is 0): 3 rows; ties: 2" – what was learned from that the rows do not
/// say, and comparisons that were not made; "" when there is neither.
std::string feedback_text(const DatasetSummary& summary);

}  // namespace attune::data
