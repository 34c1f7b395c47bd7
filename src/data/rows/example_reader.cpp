#include "data/rows/example_reader.h"

#include "data/rows/example_source.h"

namespace attune::data {

struct ExampleReader::State {
  explicit State(const DataOptions& options) : source(options) {}
  ExampleSource source;
  SourceRow row;
  std::int64_t copies = 0;
  DatasetSummary summary;
};

namespace {

/// Looks at the whole file, so that a command that stops at malformed rows has not begun.
void check_all(const DataOptions& options) {
  ExampleSource source(options);
  SourceRow row;
  MalformedRows malformed;
  std::int64_t rows = 0;
  for (; source.next(row); ++rows)
    if (!row.example.ok()) malformed.add(row);
  if (rows == 0) core::fail_request("{}: no rows", options.name());
  malformed.fail_if_any(options.name(), rows);
}

}  // namespace

ExampleReader::ExampleReader(const DataOptions& options) {
  if (options.on_error == "fail") check_all(options);
  state_ = std::make_unique<State>(options);
}

ExampleReader::~ExampleReader() = default;

bool ExampleReader::next(record::Example& example) {
  State& state = *state_;
  while (state.copies == 0) {
    if (!state.source.next(state.row)) {
      state.summary.noticed = state.source.noticed();
      return false;
    }
    state.summary.format = state.source.format_names();
    ++state.summary.rows_read;
    if (state.row.example.ok())
      state.copies = state.row.copies;
    else
      ++state.summary.dropped["malformed: " + state.row.example.error().reason];
  }
  --state.copies;
  ++state.summary.rows_kept;
  example = state.row.example.value();
  state.summary.candidates += static_cast<std::int64_t>(example.candidates.size());
  return true;
}

std::int64_t ExampleReader::index() const { return state_->row.index; }

const std::string& ExampleReader::where() const { return state_->row.where; }

const DatasetSummary& ExampleReader::summary() const { return state_->summary; }

}  // namespace attune::data
