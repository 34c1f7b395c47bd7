// The Examples of a file or folder, without tokenising (generate, score, label).
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "data/options.h"
#include "data/summary.h"
#include "record/example.h"

namespace attune::data {

/// Malformed rows are handled as on_error says: `fail` looks at the whole file first and names the first five
/// with line and reason.
class ExampleReader {
 public:
  explicit ExampleReader(const DataOptions& options);
  ~ExampleReader();
  bool next(record::Example& example);  ///< false at the end; an example without id gets its row number
  std::int64_t index() const;           ///< row number, from 0, of the example that next() gave last
  const std::string& where() const;     ///< "prefs.jsonl:17", of the same
  const DatasetSummary& summary() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace attune::data
