#include "record/candidate.h"

namespace attune::record {

void copy_feedback(const Candidate& from, Candidate& to) {
#define ATTUNE_COPY(type, name, initial, meaning) to.name = from.name;
  ATTUNE_CANDIDATE_FIELDS(ATTUNE_COPY)
#undef ATTUNE_COPY
  to.index = from.index;
  to.group = from.group;
  to.role = from.role;
  to.truncated = from.truncated;
  to.meta = from.meta;
}

Candidate feedback_of(const Candidate& candidate) {
  Candidate said;
  copy_feedback(candidate, said);
  return said;
}

}  // namespace attune::record
