// What a run that goes on has in common with its beginning: files, tokens and model are compared with what
// run.json says of them.
#pragma once

#include <cstdint>
#include <string>

#include "core/json.h"
#include "training/run/checkpoint/data_files.h"
#include "training/run/output/folder.h"

namespace attune::training {

/// Compares nothing where the run does not continue from a checkpoint.
class Continuation {
 public:
  /// @param accepts data that changed (resume.data=changed)
  Continuation(const RunFolder& folder, bool accepts);

  /// @throws Error{kRequest} naming what differs, unless it is accepted
  void compare_files(const DataFiles& files);
  /// @param data as run.json has it: the same files may become other tokens
  void compare_tokens(const core::Json& data);
  void compare_model(const std::string& path, const std::string& fingerprint) const;

  bool data_changed() const { return !change_.empty(); }
  /// Whether a checkpoint may have been made with other data: now, or in an earlier part.
  bool data_ever_changed() const { return !told_.is_null(); }
  const std::string& change() const { return change_; }  ///< what was accepted, in words
  /// What run.json tells of changes, those of earlier parts included; null when there were none.
  const core::Json& told() const { return told_; }

 private:
  void take(const std::string& change);

  std::string folder_, checkpoint_, change_;
  core::Json before_, told_;
  bool accepts_;
};

}  // namespace attune::training
