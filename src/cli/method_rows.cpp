#include "cli/method_rows.h"

#include <algorithm>

#include "algorithm/surveyed.h"

namespace attune::cli {

namespace {

using core::Json;

constexpr const char* kLoss = "loss";
constexpr const char* kAbsent = "absent";

Json samples_for_delta(algorithm::Family family) {
  if (family == algorithm::Family::kList) return "n";
  return family == algorithm::Family::kPair ? 2 : 1;
}

Json row_of(algorithm::Method& method) {
  const algorithm::MethodInfo info = method.info();
  return {{"name", info.name},
          {"title", info.title},
          {"paper", info.paper},
          {"summary", info.summary},
          {"options", core::options_json(method.fields())},
          {"formula", info.formula},
          {"departures", info.departures},
          {"kind", kLoss},
          {"rows", info.rows},
          {"family", algorithm::to_text(method.family())},
          {"learns_from", record::to_text(method.shape())},
          {"samples_for_delta", samples_for_delta(method.family())}};
}

Json row_of(const algorithm::Surveyed& surveyed) {
  Json ids = Json::array();
  for (const std::string_view id : surveyed.rows)
    if (!id.empty()) ids.push_back(id);
  return {{"name", surveyed.name},
          {"title", surveyed.title},
          {"paper", ""},
          {"summary", surveyed.title},
          {"options", Json::array()},
          {"kind", surveyed.kind},
          {"rows", std::move(ids)},
          {surveyed.kind == kAbsent ? "reason" : "how", surveyed.how}};
}

}  // namespace

MethodList all_methods() {
  MethodList methods;
  for (const algorithm::Family family :
       {algorithm::Family::kPoint, algorithm::Family::kPair, algorithm::Family::kList}) {
    for (const auto& [name, make] : algorithm::method_entries())
      if (auto method = make(); method->family() == family) methods.push_back(std::move(method));
  }
  return methods;
}

std::vector<Json> method_rows() {
  std::vector<Json> rows;
  for (const auto& method : all_methods()) rows.push_back(row_of(*method));
  for (const algorithm::Surveyed& surveyed : algorithm::surveyed()) rows.push_back(row_of(surveyed));
  std::ranges::stable_partition(rows, [](const Json& row) { return row["kind"] != kAbsent; });
  return rows;
}

std::string method_heading(const Json& row) {
  if (row["kind"] == kLoss) return row["family"].get<std::string>() + "-wise losses";
  return row["kind"] == kAbsent ? "Not here" : "Without a loss of their own";
}

}  // namespace attune::cli
