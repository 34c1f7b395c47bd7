#include "data/format.h"

#include <algorithm>

#include "core/config/fields.h"
#include "core/config/nearest.h"
#include "data/nearest_reading.h"

namespace attune::data {
namespace {

const std::vector<const Format*>& by_priority() {
  static const std::vector<const Format*> formats = [] {
    std::vector<const Format*> all;
    for (const auto& [name, make] : format_entries()) all.push_back(make());
    std::stable_sort(all.begin(), all.end(), [](const Format* a, const Format* b) {
      return a->info().priority > b->info().priority;
    });
    return all;
  }();
  return formats;
}

std::string columns_of(const core::Json& row) {
  std::string names;
  std::size_t count = 0;
  for (const auto& [name, value] : row.items()) {
    if (++count > 20) return names + ", …";
    names += (names.empty() ? "" : ", ") + name;
  }
  return names.empty() ? "none" : names;
}

}  // namespace

const Format& format_named(const std::string& name) {
  std::vector<std::string> known = {"auto"};
  for (const Format* format : by_priority()) {
    if (format->info().name == name) return *format;
    known.push_back(format->info().name);
  }
  core::fail_request("data.format: there is no format '{}'{}", name, core::did_you_mean(name, known));
}

const Format& recognise(const core::Json& row, const std::string& where) {
  std::string known;
  for (const Format* format : by_priority()) {
    if (format->recognises(row)) return *format;
    known += fmt::format("\n  {}: {}", format->info().name, format->info().columns);
  }
  if (const std::string wrong = wrong_column(row); !wrong.empty()) core::fail_request("{}: {}", where, wrong);
  const std::string nearest = nearest_format(row);
  core::fail_request(
      "{}: no known data format has these columns: {}. {}Rename columns with data.columns={{prompt: "
      "question, …}}, or name the format with data.format=…; formats and their columns:{}",
      where, row.is_object() ? columns_of(row) : "the row is not an object",
      nearest.empty() ? "" : fmt::format("Nearest: {}. ", nearest), known);
}

}  // namespace attune::data
