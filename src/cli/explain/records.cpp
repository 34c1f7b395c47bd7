#include "cli/explain/records.h"

#include <map>

#include "core/error.h"
#include "data/rows/example_reader.h"
#include "data/tokens/conversation/turns.h"
#include "data/tokens/row_tokens.h"
#include "training/run/recipe/terms.h"

namespace attune::cli {
namespace {

using record::GroupShape;

/// The row as a step is assembled from it. Points into `row`.
data::TokenizedRow view_of(const data::CachedRow& row) {
  data::TokenizedRow view;
  view.index = row.index;
  view.prompt = row.prompt;
  view.teacher_prompt = row.teacher_prompt;
  for (const data::CachedCandidate& candidate : row.candidates) {
    data::TokenizedCandidate& out = view.candidates.emplace_back();
    out.said = candidate.said;
    out.completion = candidate.completion.ids;
    out.mask = candidate.completion.mask;
    out.step_ends = candidate.completion.step_ends;
    out.old_logps = candidate.old_logps;
  }
  return view;
}

class RecordFinder {
 public:
  RecordFinder(const data::DataOptions& options, const data::TextCodec& codec,
               const algorithm::Method& method, const model::ModelConfig& config)
      : options_(options), codec_(codec), method_(method), config_(config), reader_(options) {}

  ExplainedRecords find(std::int64_t first, std::int64_t count) {
    ExplainedRecords found;
    std::int64_t last_row = -1;
    for (record::Example example; std::ssize(found.records) < count && reader_.next(example);) {
      if (reader_.index() == last_row) continue;  // a row of weight 2 comes twice
      last_row = reader_.index();
      ++rows_;
      data::for_each_row_of(
          example, options_, [&](const record::Example& one) { return usable(one); },
          [&](const record::Example& one, core::Result<data::CachedRow> row) {
            if (!row.ok())
              left_out_.try_emplace(row.error().reason, last_row);
            else if (usable_++ >= first && std::ssize(found.records) < count)
              found.records.push_back({one, std::move(row.value())});
          });
    }
    if (usable_ == 0) fail_without_any();
    if (found.records.empty())
      core::fail_request("record={}: {} has {} {} that {} can use; they are counted from 0", first,
                         options_.name(), usable_, usable_ == 1 ? "record" : "records", method_.info().name);
    found.format = reader_.summary().format;
    found.step = step_of(found.records);
    return found;
  }

 private:
  core::Result<data::CachedRow> usable(const record::Example& example) const {
    record::PairingCounts counts;
    auto row = data::tokenize_row(example, reader_.index(), codec_, options_, use_, counts);
    if (!row.ok()) return row;
    if (step_of({{example, row.value()}}).size() == 0)
      return core::ItemError{fmt::format("no completion that {} learns from", method_.info().name), ""};
    return row;
  }

  training::Step step_of(const std::vector<ExplainedRecord>& records) const {
    std::vector<data::TokenizedRow> rows;
    for (const ExplainedRecord& record : records) rows.push_back(view_of(record.row));
    training::Step step = training::assemble_step(rows, method_, config_, use_);
    step.number = 1;
    return step;
  }

  [[noreturn]] void fail_without_any() const {
    std::string reasons;
    for (const auto& [reason, row] : left_out_) reasons += fmt::format("\n  {} (row {})", reason, row);
    for (const auto& entry : reader_.summary().dropped) reasons += "\n  " + entry.first;
    core::fail_request("{}: none of {} rows can be used by {}{}\n`attune check` with method={} shows more",
                       options_.name(), rows_, method_.info().name, reasons, method_.info().name);
  }

  const data::DataOptions& options_;
  const data::TextCodec& codec_;
  const algorithm::Method& method_;
  const model::ModelConfig& config_;
  const data::RowUse use_ = training::row_use(method_);
  data::ExampleReader reader_;
  std::map<std::string, std::int64_t> left_out_;  ///< reason → its first row
  std::int64_t rows_ = 0, usable_ = 0;
};

}  // namespace

ExplainedRecords explained_records(const data::DataOptions& options, const data::TextCodec& codec,
                                   const algorithm::Method& method, const model::ModelConfig& config,
                                   std::int64_t first, std::int64_t count) {
  return RecordFinder(options, codec, method, config).find(first, count);
}

}  // namespace attune::cli
