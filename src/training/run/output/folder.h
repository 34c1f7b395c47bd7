// The run folder: recipe.yaml, run.json, metrics.jsonl, evaluations.jsonl, samples.jsonl, checkpoints/, model/.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/files/files.h"
#include "core/json.h"

namespace attune::training {

/// Whether there is something; false also of a name that can be none, which is refused for that later.
bool stands_there(const core::fs::path& path);
/// @throws Error{kRequest} where OUTPUT holds a finished run that is neither to be replaced nor to be extended
void refuse_finished_run(const std::string& output, const std::string& resume, bool overwrite);

class RunFolder {
 public:
  /// Decides what OUTPUT is: absent or empty (fresh), an unfinished run of the same recipe (continue), or
  /// something that must not be touched. Creates nothing yet.
  /// @param resume auto, never or extend: then the run may be finished, and be of a recipe that differs in
  /// training.epochs and training.max_steps
  /// @throws Error{kRequest}: a finished run, or another recipe, without `overwrite`; no run to extend, or one
  /// without a checkpoint; a place that cannot be written to, or that another run writes to
  /// @param writes false: another process writes this run; whatever would change the folder does nothing
  RunFolder(std::string path, core::Json recipe, const std::string& resume, bool overwrite,
            bool writes = true);

  bool writes() const { return writes_; }
  const std::string& path() const { return path_; }
  /// run.json of the run that is continued; empty for a fresh one.
  const core::Json& info() const { return info_; }
  /// The newest checkpoint to continue from, or none.
  std::optional<std::string> checkpoint() const { return checkpoint_; }
  /// The newest one that is there now.
  std::optional<std::string> newest_checkpoint() const;
  /// The update that it was made after, 0 without one.
  std::int64_t checkpoint_step() const;

  /// Takes the folder for this run alone, creates it (or cleans what a run left that will not be continued),
  /// writes recipe.yaml and run.json with state "running". @throws Error{kRequest} while another run writes
  /// to it.
  void begin(core::Json run_info);
  /// Takes back what begin() made of a folder that did not exist, unless something was trained: a refused
  /// request leaves nothing behind. False when the folder stays.
  bool discard();
  /// Keeps of metrics.jsonl and evaluations.jsonl what belongs to steps up to `step`, and of samples.jsonl
  /// what was sampled before it: those of the result are taken again.
  void rewind(std::int64_t step);
  void append_metrics(const core::Json& row);
  void append_sample(const core::Json& record);
  /// Adds a line of evaluations.jsonl ({"step", …}), where the lines of the steps in `kept` stay.
  void put_evaluation(const core::Json& line, std::span<const std::int64_t> kept);
  std::string checkpoint_path(std::int64_t step) const;
  /// Removes the oldest checkpoints beyond `keep` (0: keeps all), never `best` ("" for none).
  void prune_checkpoints(std::int64_t keep, const std::string& best);
  /// Merges into run.json and writes it.
  void put_info(const core::Json& changes);
  /// "running" → "finished" or "failed", with the reason.
  void close(const std::string& state, const std::string& reason = "");

 private:
  void decide(const std::string& resume, bool overwrite);
  void append_line(const std::string& file, const core::Json& row);
  std::vector<std::string> checkpoints() const;

  std::string path_;
  core::Json recipe_, info_ = core::Json::object();
  std::optional<std::string> checkpoint_;
  std::optional<core::FolderLock> lock_;  ///< while the run writes
  bool fresh_ = true, created_ = false, writes_ = true;
};

}  // namespace attune::training
