#include "record/candidate.h"

namespace attune::record {

Candidate feedback_of(const Candidate& candidate) {
  Candidate said;
#define ATTUNE_COPY(type, name, initial, meaning) said.name = candidate.name;
  ATTUNE_CANDIDATE_FIELDS(ATTUNE_COPY)
#undef ATTUNE_COPY
  said.index = candidate.index;
  said.group = candidate.group;
  said.role = candidate.role;
  said.truncated = candidate.truncated;
  said.meta = candidate.meta;
  return said;
}

}  // namespace attune::record
