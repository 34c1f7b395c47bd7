// A dataset as training sees it: rows by index, tokenised once into a mapped cache. Nothing is held in memory
// but the map, so a 5 GB file trains within 500 MB.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/config/fields.h"
#include "record/example.h"
#include "text/chat_template.h"
#include "text/tokenizer/tokenizer.h"

namespace attune::data {

/// data=…: interface.md §1 and §4.
struct DataOptions {
  /// A file or folder, or a list of these; an entry may be {path, weight}, weight being how often each of its
  /// rows is seen in an epoch (0.5: every second row).
  core::Json path;
  std::string split, format = "auto", on_error = "fail", truncation = "keep_start";
  core::Json columns;  ///< {prompt: question, …}
  std::int64_t limit = 0;
  bool shuffle = true, append_eos = true;
  bool assistant_only = false;  ///< of conversations, train on what the assistant said and on nothing else
  std::int64_t max_length = 1024, max_prompt_length = 0;  ///< tokens; 0 = no limit but the model's context
  void declare(core::Fields& fields);
  std::string key = "data";  ///< the setting that these are, for messages: data, eval.data …
  bool given() const;        ///< whether there is a path
  std::string name() const;  ///< for messages: "prefs.jsonl", "prefs.jsonl and 2 more"
};

/// One candidate's tokens and feedback, as stored in the cache.
struct TokenizedCandidate {
  record::Candidate said;                    ///< feedback; no text
  std::span<const std::int32_t> completion;  ///< ids, end-of-sequence included
  std::span<const std::uint8_t> mask;        ///< [completion] 1 where trained on
  std::span<const std::int32_t> step_ends;  ///< completion index of each step's last token
  /// [completion] of the policy as it was: the record's sampling_logps, else its logps; empty when unknown
  std::span<const double> old_logps;
};

struct TokenizedRow {
  std::int64_t index = 0;                ///< row number in the file, from 0
  std::span<const std::int32_t> prompt;  ///< ids; may be empty (language modelling)
  std::vector<TokenizedCandidate> candidates;
};

/// What was read, for `check`, progress and run.json.
struct DatasetSummary {
  std::string format;
  std::int64_t rows_read = 0, rows_kept = 0, candidates = 0, tokens = 0, trained_tokens = 0, straddling = 0,
               truncated = 0;
  std::map<std::string, std::int64_t> dropped;  ///< reason → rows (unusable; malformed under on_error=skip)
  std::map<std::string, std::vector<std::string>>
      dropped_examples;           ///< reason → "prefs.jsonl:17: detail" of its first three rows
  std::uint64_t fingerprint = 0;  ///< of content, tokenizer, template and options
  void drop(const std::string& reason, const std::string& where, const std::string& detail);
};

/// Every count, as run.json and `check` show them and as the cache keeps them (the fingerprint apart).
core::Json to_json(const DatasetSummary& summary);
DatasetSummary summary_from_json(const core::Json& json, std::uint64_t fingerprint);
/// A line for each reason, its rows and the first of them; "" when nothing was left out.
std::string left_out_text(const DatasetSummary& summary);

/// How texts become ids: the tokenizer and the chat template of a model folder. `tokenizer` may be absent
/// when every row carries ids.
struct TextCodec {
  std::optional<text::Tokenizer> tokenizer;
  std::string no_tokenizer;  ///< why there is none, when there is none
  std::optional<text::ChatTemplate> chat_template;
  std::optional<std::int32_t> eos_id;
  std::int64_t max_positions = 0;  ///< model context; 0 unknown
  std::int64_t vocab_size = 0;     ///< ids in records must be below it; 0 unknown
  static TextCodec load(const std::string& model_folder);
  /// With the limits of a loaded model, whatever its config.json calls them.
  static TextCodec load(const std::string& model_folder, std::int64_t max_positions, std::int64_t vocab_size);
};

/// What the method wants of a row; rows that cannot give it are dropped with a reason. Where it follows from
/// other feedback it is filled in: ranks from rewards or labels (kPairs), labels from ranks (kLabels: rank 0
/// is good).
enum class RowNeeds { kPromptsOnly, kDemonstrations, kPairs, kLabels, kRewards, kAny };

/// Iterates the Examples of a file or folder without tokenising (generate, score, label). Malformed rows are
/// handled as on_error says: `fail` looks at the whole file first and names the first five with line and
/// reason.
class ExampleReader {
 public:
  explicit ExampleReader(const DataOptions& options);
  ~ExampleReader();
  bool next(record::Example& example);  ///< false at the end; an example without id gets its row number
  std::int64_t index() const;   ///< row number, from 0, of the example that next() gave last
  const DatasetSummary& summary() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// The tokenised, mapped dataset.
class Dataset {
 public:
  /// Reads, tokenises (with progress) and caches; a cache of equal fingerprint is reused.
  /// @param cache_folder where the cache file goes ("" = core::cache_folder()).
  static Dataset open(const DataOptions& options, const TextCodec& codec, RowNeeds needs,
                      const std::string& cache_folder = "");
  std::int64_t size() const;
  TokenizedRow row(std::int64_t i) const;  ///< spans point into the map; valid while the Dataset lives
  const DatasetSummary& summary() const;

 private:
  struct Map;
  std::shared_ptr<const Map> map_;
};

/// Tokens of one Example (shared by Dataset, score, tokenize, generate): owning version of TokenizedRow.
struct TokenizedExample {
  std::vector<std::int32_t> prompt;
  struct Completion {
    std::vector<std::int32_t> ids;
    std::vector<std::uint8_t> mask;
    std::vector<std::int32_t> step_ends;
    /// Leading ids that belong to the prompt of this completion: `prompt` is what all completions share, and
    /// another one may straddle its end, or be cut elsewhere (keep_end). When training, ids of the first kind
    /// count as completion, as TRL counts them.
    std::int32_t prompt_tail = 0;
    std::int32_t dropped_front = 0;  ///< completion ids that truncation (keep_end) took away at its start
    std::int32_t dropped_steps = 0;  ///< steps that went with them
    bool straddles = false, truncated = false;
  };
  std::vector<Completion> completions;
  std::string
      rendered;  ///< the text that was tokenised (prompt + first completion), for `check` and `tokenize`
};
/// Ids with the end-of-sequence token where options.append_eos wants it, cut as the options say.
/// @param training marks what is trained on; rows without such tokens are unusable. When scoring, ids of the
/// prompt that stand in a completion stay prompt (prompt_tail) and the mask says nothing. An ItemError says
/// why the row is unusable.
core::Result<TokenizedExample> tokenize_example(const record::Example& example, const TextCodec& codec,
                                                const DataOptions& options, bool training);
/// The example as a model reads it: where it has no chat template and the format knows a plain form, prompt
/// and completions are texts instead of messages. The functions above see to it themselves; for who writes
/// the record.
record::Example as_read_by(record::Example example, const TextCodec& codec);
/// What rows are cut to, for messages: "data.max_length=1024" or "the model's context of 512", whichever is
/// shorter; with data.max_prompt_length before it where that is given. "" when nothing is cut.
std::string length_limit_text(const DataOptions& options, const TextCodec& codec);
/// The tokenizer, for texts. @throws Error{kRequest} saying why there is none and how to do without.
const text::Tokenizer& need_tokenizer(const TextCodec& codec);
/// The prompt alone, ready to be continued (generation prompt added).
core::Result<std::vector<std::int32_t>> tokenize_prompt(const record::Example& example, const TextCodec& codec);

}  // namespace attune::data
