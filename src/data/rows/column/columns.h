// Reading the columns of one row. The first problem sticks, so that a format states what it wants and asks
// once at the end whether it got it.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"
#include "core/json.h"
#include "record/example.h"

namespace attune::data {

/// Whether the row is an object with a column of this name that is not null.
bool has_column(const core::Json& row, std::string_view name);
/// Whether a value is a list of messages: objects with "role", or "from" and "value" as ShareGPT writes them.
bool is_messages(const core::Json& value);
/// The empty text, the empty list of messages, or null.
bool is_blank(const core::Json& conversation);

class Columns {
 public:
  explicit Columns(const core::Json& row, std::string prefix = "") : row_(row), prefix_(std::move(prefix)) {}

  bool has(std::string_view name) const { return has_column(row_, name); }
  /// The column, or a shared null.
  const core::Json& peek(std::string_view name) const;
  /// The same, and it counts as used: it does not enter `meta`.
  const core::Json& take(std::string_view name);
  /// A text, or messages in their usual form ({"role", "content"}; ShareGPT's names are translated, alone and
  /// mixed with the usual ones). One message object stands for a list of one.
  core::Json conversation(std::string_view name);
  core::Json messages(std::string_view name);
  std::string text(std::string_view name);
  std::string optional_text(std::string_view name);  ///< "" if absent
  std::optional<double> number(std::string_view name);
  std::optional<bool> boolean(std::string_view name);  ///< true, false, 1, 0
  std::vector<double> numbers(std::string_view name);  ///< empty if absent; booleans count as 1 and 0
  std::vector<std::string> texts(std::string_view name);
  std::optional<std::vector<std::int32_t>> ids(std::string_view name);
  std::vector<std::uint8_t> mask(std::string_view name);
  const core::Json& list(std::string_view name);

  /// Records a problem, unless there is one already.
  void problem(std::string reason, std::string detail);
  bool ok() const { return !error_; }
  const std::optional<core::ItemError>& error() const { return error_; }
  /// id, tools, chat_template_kwargs, reference_answer.
  void read_common(record::Example& example);
  /// The example with how its completions ended and all unused columns in its meta, or the first problem.
  core::Result<record::Example> finish(record::Example example);

 private:
  std::string key(std::string_view name) const { return prefix_ + std::string(name); }
  /// A text, a list of parts, or nothing beside tool calls.
  void check_content(const std::string& place, const core::Json& message);
  void wrong_type(std::string_view name, std::string_view wanted, const core::Json& found);
  const core::Json& required(std::string_view name);

  const core::Json& row_;
  std::string prefix_;
  std::set<std::string, std::less<>> used_;
  std::optional<core::ItemError> error_;
};

/// {"role": role, "content": text}.
core::Json message(const std::string& role, const std::string& text);

/// A candidate that has this completion and, if given, this rank.
record::Candidate make_candidate(core::Json completion, std::optional<double> rank = {});

}  // namespace attune::data
