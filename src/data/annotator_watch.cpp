#include "data/annotator_watch.h"

#include <map>

#include "core/files/files.h"
#include "core/json.h"

namespace attune::data {
namespace {

core::Json said_of(const record::Candidate& candidate) {
  const auto json = [](const auto& value) { return value ? core::Json(*value) : core::Json(); };
  return {json(candidate.rank), json(candidate.label), json(candidate.reward), json(candidate.preference)};
}

}  // namespace

void AnnotatorWatch::look(const record::Example& example, const std::string& where, Noticed& noticed) {
  std::map<std::string, std::map<std::string, std::string>> judged;  // who → answer → what is said of it
  for (const record::Candidate& candidate : example.candidates) {
    if (candidate.annotator.empty()) continue;
    const core::Json answer =
        candidate.completion_ids ? core::Json(*candidate.completion_ids) : candidate.completion;
    judged[candidate.annotator][core::to_line(answer)] = core::to_line(said_of(candidate));
  }
  for (const auto& [annotator, answers] : judged) {
    core::Json asked = {annotator, example.prompt}, verdict = core::Json::array();
    if (example.prompt_ids) asked.push_back(*example.prompt_ids);
    for (const auto& [answer, said] : answers) {
      asked.push_back(answer);
      verdict.push_back(said);
    }
    const std::uint64_t said = core::fingerprint(core::to_line(verdict));
    const auto [before, fresh] = verdicts_.emplace(core::fingerprint(core::to_line(asked)), said);
    if (!fresh && before->second != said)
      noticed.add("an annotator judges the same answers twice, and not alike (one id for two people?)",
                  where);
  }
}

}  // namespace attune::data
