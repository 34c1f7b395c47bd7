// Where the time of an update goes: libtorch's profiler over some updates of a run (training.profile).
#pragma once

#include <cstdint>
#include <string>

namespace attune::training {

/// Records updates and then writes FOLDER/
///   summary.txt   phases of the update (forward, signals, backward, optimiser …) and the costliest operators
///   trace.json    every operator on its time line: open it at ui.perfetto.dev or chrome://tracing
/// Only one may record at a time. Recording costs some time itself: look at shares rather than seconds.
class Profile {
 public:
  /// Name of the phase (phase.h) that spans one update. What lies outside is left out of the summary.
  static constexpr const char* kUpdate = "update, the rest";

  /// @param updates how many are recorded, after the first, which is slower than all others; 0 records
  /// nothing
  Profile(std::string folder, std::int64_t updates) : folder_(std::move(folder)), left_(updates) {}
  ~Profile();
  Profile(const Profile&) = delete;
  Profile& operator=(const Profile&) = delete;

  /// Around every update. after_update() gives a line for people when everything has been written, else "".
  void before_update();
  std::string after_update();
  /// Writes what was recorded when the run ends before all updates are; as after_update().
  std::string finish();

 private:
  std::string folder_;
  std::int64_t left_, seen_ = 0, recorded_ = 0;
  bool recording_ = false;
};

}  // namespace attune::training
