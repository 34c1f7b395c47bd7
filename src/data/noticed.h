// What rows gave cause to say, counted: readings that were not asked for, and what got lost.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "core/json.h"

namespace attune::data {

class Noticed {
 public:
  /// A row that gives cause several times counts once.
  /// @param what the same words for every row that it holds of; @param where "prefs.jsonl:17"
  void add(const std::string& what, const std::string& where) {
    Rows& rows = all_[what];
    if (rows.count > 0 && rows.last == where) return;
    if (rows.count++ == 0) rows.first = where;
    rows.last = where;
  }
  void add_all(const Noticed& other);
  /// "what: 3 rows, first prefs.jsonl:17", one each.
  std::vector<std::string> texts() const;
  core::Json json() const;  ///< {what: {"rows", "first"}}
  static Noticed from_json(const core::Json& json);

 private:
  struct Rows {
    std::int64_t count = 0;
    std::string first, last;
  };
  std::map<std::string, Rows> all_;
};

}  // namespace attune::data
