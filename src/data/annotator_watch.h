// Whether one annotator said two things of the same answers: then the name stands for two people, or for nobody.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>

#include "data/noticed.h"
#include "record/example.h"

namespace attune::data {

class AnnotatorWatch {
 public:
  /// Notices a row whose annotator judged the same answers to the same prompt before, and otherwise.
  void look(const record::Example& example, const std::string& where, Noticed& noticed);

 private:
  std::unordered_map<std::uint64_t, std::uint64_t> verdicts_;  ///< of who, prompt and answers → what was said
};

}  // namespace attune::data
