#include "data/noticed.h"

#include <fmt/format.h>

#include "core/system.h"

namespace attune::data {

void Noticed::add_all(const Noticed& other) {
  for (const auto& [what, rows] : other.all_) {
    Rows& ours = all_[what];
    if (ours.count == 0) ours.first = rows.first;
    ours.count += rows.count;
  }
}

std::vector<std::string> Noticed::texts() const {
  std::vector<std::string> texts;
  for (const auto& [what, rows] : all_)
    texts.push_back(fmt::format("{}: {}{}", what, core::counted(rows.count, "row"),
                                rows.count == 1 ? " (" + rows.first + ")" : ", first " + rows.first));
  return texts;
}

core::Json Noticed::json() const {
  core::Json json = core::Json::object();
  for (const auto& [what, rows] : all_) json[what] = {{"rows", rows.count}, {"first", rows.first}};
  return json;
}

Noticed Noticed::from_json(const core::Json& json) {
  Noticed noticed;
  for (const auto& [what, rows] : json.items())
    noticed.all_[what] = {rows.at("rows").get<std::int64_t>(), rows.at("first").get<std::string>(), ""};
  return noticed;
}

}  // namespace attune::data
