#include "cli/explain/records.h"

#include <functional>
#include <map>

#include "core/error.h"
#include "core/system.h"
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

/// Rows as one method takes them.
class RowTaker {
 public:
  RowTaker(const data::DataOptions& options, const data::TextCodec& codec, const algorithm::Method& method,
           const model::ModelConfig& config)
      : options_(options), codec_(codec), method_(method), config_(config) {}

  const data::DataOptions& options() const { return options_; }
  const algorithm::Method& method() const { return method_; }

  /// Visits what data.turns makes of a record, each with its outcome.
  void take(const record::Example& example, std::int64_t row,
            const std::function<void(const record::Example&, core::Result<data::CachedRow>)>& visit) const {
    data::for_each_row_of(
        example, options_, [&](const record::Example& one) { return usable(one, row); }, visit);
  }

  training::Step step_of(const std::vector<ExplainedRecord>& records) const {
    std::vector<data::TokenizedRow> rows;
    for (const ExplainedRecord& record : records) rows.push_back(view_of(record.row));
    training::Step step = training::assemble_step(rows, method_, config_, use_);
    step.number = 1;
    return step;
  }

 private:
  core::Result<data::CachedRow> usable(const record::Example& example, std::int64_t row) const {
    record::PairingCounts counts;
    auto taken = data::tokenize_row(example, row, codec_, options_, use_, counts);
    if (!taken.ok()) return taken;
    if (step_of({{example, taken.value()}}).size() == 0)
      return core::ItemError{fmt::format("no completion that {} learns from", method_.info().name), ""};
    return taken;
  }

  const data::DataOptions& options_;
  const data::TextCodec& codec_;
  const algorithm::Method& method_;
  const model::ModelConfig& config_;
  const data::RowUse use_ = training::row_use(method_);
};

class RecordFinder {
 public:
  explicit RecordFinder(const RowTaker& rows) : taker_(rows), reader_(rows.options()) {}

  ExplainedRecords find(std::int64_t first, std::int64_t count) {
    ExplainedRecords found;
    std::int64_t last_row = -1;
    for (record::Example example; std::ssize(found.records) < count && reader_.next(example);) {
      if (reader_.index() == last_row) continue;  // a row of weight 2 comes twice
      last_row = reader_.index();
      ++rows_;
      taker_.take(example, last_row, [&](const record::Example& one, core::Result<data::CachedRow> row) {
        if (!row.ok())
          left_out_.try_emplace(row.error().reason, last_row);
        else if (usable_++ >= first && std::ssize(found.records) < count)
          found.records.push_back({one, std::move(row.value())});
      });
    }
    const std::string name = taker_.method().info().name;
    if (usable_ == 0) fail_without_any(name);
    if (found.records.empty())
      core::fail_request("record={}: {} has {} {} that {} can use; they are counted from 0", first,
                         taker_.options().name(), usable_, usable_ == 1 ? "record" : "records", name);
    found.format = reader_.summary().format;
    found.step = taker_.step_of(found.records);
    return found;
  }

 private:
  [[noreturn]] void fail_without_any(const std::string& name) const {
    std::string reasons;
    for (const auto& [reason, row] : left_out_) reasons += fmt::format("\n  {} (row {})", reason, row);
    for (const auto& entry : reader_.summary().dropped) reasons += "\n  " + entry.first;
    core::fail_request("{}: none of {} rows can be used by {}{}\n`attune check` with method={} shows more",
                       taker_.options().name(), rows_, name, reasons, name);
  }

  const RowTaker& taker_;
  data::ExampleReader reader_;
  std::map<std::string, std::int64_t> left_out_;  ///< reason → its first row
  std::int64_t rows_ = 0, usable_ = 0;
};

}  // namespace

ExplainedRecords explained_records(const data::DataOptions& options, const data::TextCodec& codec,
                                   const algorithm::Method& method, const model::ModelConfig& config,
                                   std::int64_t first, std::int64_t count) {
  const RowTaker rows(options, codec, method, config);
  return RecordFinder(rows).find(first, count);
}

ReadRecord read_record(const data::DataOptions& options, std::int64_t which) {
  data::ExampleReader reader(options);
  std::int64_t seen = 0, last = -1;
  for (record::Example example; reader.next(example);) {
    if (example.candidates.empty() || reader.index() == last) continue;
    last = reader.index();
    if (seen++ == which) return {std::move(example), last};
  }
  core::fail_request("record={}: {} has {} with answers; they are counted from 0", which, options.name(),
                     core::counted(seen, "record"));
}

core::Result<ExplainedRecords> explained_record(const ReadRecord& read, const data::DataOptions& options,
                                                const data::TextCodec& codec, const algorithm::Method& method,
                                                const model::ModelConfig& config) {
  const RowTaker rows(options, codec, method, config);
  core::ItemError problem{"no answer", ""};
  ExplainedRecords found;
  rows.take(read.example, read.row, [&](const record::Example& one, core::Result<data::CachedRow> row) {
    if (!row.ok())
      problem = row.error();
    else if (found.records.empty())
      found.records.push_back({one, std::move(row.value())});
  });
  if (found.records.empty()) return problem;
  found.step = rows.step_of(found.records);
  return found;
}

}  // namespace attune::cli
