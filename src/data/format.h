// Dataset formats: one file each in data/format/. A format recognises its columns and turns a row into an
// Example.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/json.h"
#include "record/example.h"

namespace attune::data {

struct FormatInfo {
  std::string name;     ///< "preference"
  std::string summary;  ///< one sentence
  std::string columns;  ///< "prompt, chosen, rejected"
  std::string paper;    ///< where the shape comes from
  int priority = 0;     ///< recognised in descending order: more specific formats first
};

class Format {
 public:
  virtual ~Format() = default;
  virtual FormatInfo info() const = 0;
  /// Whether a row with these columns is of this format (looks at the columns and, where needed, at value
  /// types).
  virtual bool recognises(const core::Json& row) const = 0;
  /// The row as a record::Example, or why it is malformed (a column missing, a wrong type). Unusable rows
  /// (empty completion, chosen equal to rejected …) are not this function's concern.
  virtual core::Result<record::Example> read(const core::Json& row) const = 0;
};

/// Generated list: file name → format.
const std::vector<std::pair<std::string_view, const Format* (*)()>>& format_entries();
const Format& format_named(const std::string& name);  ///< @throws Error{kRequest} with the nearest name
/// The format of a first row. @throws Error{kRequest} listing the columns found and the formats that are
/// known.
const Format& recognise(const core::Json& row, const std::string& where);

}  // namespace attune::data
