#include "data/read_rows.h"

#include <algorithm>

#include "core/progress.h"
#include "core/system.h"
#include "data/annotator_watch.h"
#include "data/tokens/row_tokens.h"
#include "data/tokens/watch/message_watch.h"
#include "data/tokens/watch/trained_watch.h"
#include "record/sound_feedback.h"

namespace attune::data {
namespace {

/// Seconds after which words are needed.
constexpr double kShort = 2, kPatience = 10;

class Reading {
 public:
  Reading(const DataOptions& options, const TextCodec& codec, const RowUse& use, const RowVisitor& visit)
      : options_(options), codec_(codec), use_(use), visit_(visit), source_(options), watch_(codec) {}

  DatasetSummary run() {
    core::Progress progress("tokenising", 0, "row");
    for (SourceRow row; source_.next(row);) {
      ++summary_.rows_read;
      if (clock_.seconds() > kShort) progress.update(summary_.rows_read);
      judge_numbers(row, use_);
      if (row.example.ok())
        take(row);
      else
        malformed(row);
    }
    if (clock_.seconds() > kShort) progress.finish();
    if (summary_.rows_read == 0) core::fail_request("{}: no rows", options_.name());
    if (options_.on_error == "fail") malformed_.fail_if_any(options_.name(), summary_.rows_read);
    summary_.format = source_.format_names();
    summary_.noticed.add_all(source_.noticed());
    if (!speaks_) summary_.noticed.add_all(unheeded_);
    if (use_.learns()) summary_.pairing = use_.pairing().info().name;
    return std::move(summary_);
  }

 private:
  void malformed(const SourceRow& row) {
    malformed_.add(row);
    summary_.drop("malformed: " + row.example.error().reason, row.where, row.example.error().detail);
  }

  void look_for_speech(const SourceRow& row) {
    if (!options_.assistant_only || speaks_) return;
    speaks_ = std::ranges::any_of(row.example.value().candidates,
                                  [](const auto& candidate) { return candidate.completion.is_array(); });
    unheeded_.add("data.assistant_only changes nothing: these rows are no conversations", row.where);
  }

  void take(const SourceRow& row) {
    look_for_speech(row);
    if (malformed_.count() > 0 && options_.on_error == "fail")
      return;  // the command will stop: only count on
    annotators_.look(row.example.value(), row.where, summary_.noticed);
    tokenize_rows(row, codec_, options_, use_, summary_.feedback,
                  [&](const record::Example& example, const core::Result<CachedRow>& tokens) {
                    if (!tokens.ok()) return leave_out(row, example, tokens.error());
                    watch_.look(example, tokens.value().rendered, row.where, summary_.noticed);
                    notice_trained(example, codec_, options_, row.where, summary_.noticed);
                    count_row(tokens.value(), row.copies, row.where, summary_);
                    visit_.kept(row, example, tokens.value());
                  });
  }

  void leave_out(const SourceRow& row, const record::Example& example, const core::ItemError& error) {
    const auto& [reason, detail] = error;
    summary_.drop(reason, row.where, detail);
    if (visit_.left_out) visit_.left_out(row, example, error);
    if (summary_.rows_kept == 0 && clock_.seconds() > kPatience && reason == kTemplateRefused)
      core::fail_request("{}: the chat template refused every conversation so far: {}", row.where, detail);
  }

  const DataOptions& options_;
  const TextCodec& codec_;
  const RowUse& use_;
  const RowVisitor& visit_;
  ExampleSource source_;
  MessageWatch watch_;
  AnnotatorWatch annotators_;
  MalformedRows malformed_;
  DatasetSummary summary_;
  core::Stopwatch clock_;
  Noticed unheeded_;  ///< options of conversations, to be said where there is none
  bool speaks_ = false;
};

}  // namespace

void judge_numbers(SourceRow& row, const RowUse& use) {
  if (!row.example.ok() || use.only_prompts()) return;
  if (auto problem = record::unsound_feedback(row.example.value().candidates))
    row.example = std::move(*problem);
}

DatasetSummary read_rows(const DataOptions& options, const TextCodec& codec, const RowUse& use,
                         const RowVisitor& visit) {
  return Reading(options, codec, use, visit).run();
}

}  // namespace attune::data
