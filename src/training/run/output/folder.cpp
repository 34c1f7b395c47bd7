#include "training/run/output/folder.h"

#include <algorithm>
#include <cstdio>
#include <functional>
#include <sstream>
#include <system_error>

#include "core/config/value.h"
#include "core/error.h"
#include "core/files/files.h"
#include "core/files/writable_folder.h"
#include "training/run/output/event_file.h"

namespace attune::training {
namespace {

namespace fs = core::fs;

/// What may differ between the parts of one run, and between a run and its extension.
const std::vector<std::string> kMayDiffer = {"output", "resume", "overwrite", "threads", "kernels"};
const std::vector<std::string> kMayGrow = {"training.epochs", "training.max_steps"};

/// The first key in which two recipes differ, dotted; "" when they say the same.
/// @param ignored dotted keys that do not count
std::string difference(const core::Json& a, const core::Json& b, const std::vector<std::string>& ignored,
                       const std::string& prefix = "") {
  if (!a.is_object() || !b.is_object()) return a == b ? "" : prefix;
  for (const auto& [key, value] : a.items()) {
    const std::string path = prefix.empty() ? key : prefix + "." + key;
    if (std::find(ignored.begin(), ignored.end(), path) != ignored.end()) continue;
    if (!b.contains(key)) return path;
    const std::string inner = difference(value, b[key], ignored, path);
    if (!inner.empty()) return inner;
  }
  for (const auto& [key, value] : b.items())
    if (!a.contains(key)) return prefix.empty() ? key : prefix + "." + key;
  return "";
}

/// Files and folders that a process left which died while it wrote or removed them.
bool is_left_over(const fs::path& path) {
  return core::is_unfinished(path) || path.filename().string().starts_with(".removed-");
}

/// Whether a run may begin there: nothing but `data` (what was prepared for it), and what a run leaves that
/// dies before its run.json is written.
bool is_as_good_as_empty(const fs::path& folder) {
  return std::all_of(fs::directory_iterator(folder), fs::directory_iterator(), [](const auto& entry) {
    const std::string name = entry.path().filename().string();
    return name == "data" || is_left_over(entry.path()) ||
           (name == "checkpoints" && fs::is_empty(entry.path()));
  });
}

void remove_left_overs(const fs::path& folder) {
  std::vector<fs::path> found;
  for (const auto& entry : fs::directory_iterator(folder))
    if (is_left_over(entry.path())) found.push_back(entry.path());
  for (const auto& path : found) fs::remove_all(path);
}

std::int64_t step_of(const std::string& line) {
  core::Json row;
  std::string why;
  if (!core::try_parse_json(line, row, why) || !row.is_object()) return -1;
  const auto step = row.find("step");
  return step != row.end() && step->is_number_integer() ? step->get<std::int64_t>() : -1;
}

/// The lines of the steps that `keep` accepts; a last line that a kill cut goes.
std::string lines_of_steps(const std::string& path, const std::function<bool(std::int64_t)>& keep) {
  if (!fs::exists(path)) return "";
  std::istringstream lines(core::read_file(path));
  std::string kept, line;
  while (std::getline(lines, line)) {
    const std::int64_t at = step_of(line);
    if (at >= 0 && keep(at)) kept += line + "\n";
  }
  return kept;
}

/// The checkpoints of a run, oldest first.
std::vector<std::string> checkpoints_of(const std::string& output) {
  std::vector<std::string> found;
  const fs::path folder = fs::path(output) / "checkpoints";
  if (!fs::exists(folder)) return found;
  for (const auto& entry : fs::directory_iterator(folder))
    if (entry.path().filename().string().rfind("step-", 0) == 0) found.push_back(entry.path().string());
  // By number: names of more than six digits do not sort.
  std::sort(found.begin(), found.end(), [](const std::string& a, const std::string& b) {
    return a.size() != b.size() ? a.size() < b.size() : a < b;
  });
  return found;
}

void keep_lines_up_to(const std::string& path, std::int64_t step) {
  if (fs::exists(path))
    core::write_file_atomically(path, lines_of_steps(path, [&](std::int64_t at) { return at <= step; }));
}

}  // namespace

RunFolder::RunFolder(std::string path, core::Json recipe, const std::string& resume, bool overwrite,
                     bool writes)
    : path_(std::move(path)), recipe_(std::move(recipe)), writes_(writes) {
  decide(resume, overwrite);
  core::require_writable_folder(path_);
  if (writes_ && fs::exists(path_)) const core::FolderLock free(path_);
}

void RunFolder::decide(const std::string& resume, bool overwrite) {
  const bool extend = resume == "extend";
  if (extend && (overwrite || !stands_there(fs::path(path_) / "recipe.yaml")))
    core::fail_request(
        "resume=extend goes on with the run in output, and {}",
        overwrite ? "overwrite=true replaces it: say one of them" : fmt::format("{} holds none", path_));
  const fs::path run_file = fs::path(path_) / "run.json", recipe_file = fs::path(path_) / "recipe.yaml";
  if (stands_there(path_) && !fs::is_directory(path_)) core::fail_request("output: {} is a file", path_);
  if (!stands_there(path_) || overwrite) return;
  if (is_as_good_as_empty(path_)) return;
  if (!fs::exists(run_file))
    core::fail_request("output: {} holds something that is not a run of this program; choose another folder",
                       path_);
  refuse_finished_run(path_, resume, overwrite);
  const core::Json info = core::read_json_file(run_file.string());
  const bool extendable = !checkpoints().empty();
  if (!fs::exists(recipe_file)) return;  // it died between writing the two
  const core::Json old =
      core::parse_yaml(core::read_file(recipe_file.string()), recipe_file.string()).to_json();
  // Both sides through YAML, so that 1 and 1.0 do not count as a change.
  const core::Json now = core::parse_yaml(core::to_yaml(recipe_), "recipe").to_json();
  std::vector<std::string> ignored = kMayDiffer;
  if (extend) ignored.insert(ignored.end(), kMayGrow.begin(), kMayGrow.end());
  const std::string changed = difference(now, old, ignored);
  if (!changed.empty())
    core::fail_request(
        "output: {} holds {} of another recipe ({} differs); choose another folder, say overwrite=true{}",
        path_, extend ? "a run" : "an unfinished run", changed,
        !extendable || std::find(kMayGrow.begin(), kMayGrow.end(), changed) == kMayGrow.end()
            ? ""
            : ", or resume=extend to go on with it");
  if (resume == "never") return;
  fresh_ = false;
  info_ = info;
  checkpoint_ = newest_checkpoint();
  if (extend && !checkpoint_)
    core::fail_request(
        "resume=extend goes on from the last checkpoint, and {} keeps none: choose another folder, or say "
        "overwrite=true to start anew",
        path_);
}

std::optional<std::string> RunFolder::newest_checkpoint() const {
  const auto all = checkpoints();
  return all.empty() ? std::nullopt : std::optional(all.back());
}

std::vector<std::string> RunFolder::checkpoints() const { return checkpoints_of(path_); }

bool stands_there(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

void refuse_finished_run(const std::string& output, const std::string& resume, bool overwrite) {
  const fs::path run_file = fs::path(output) / "run.json";
  if (overwrite || resume == "extend" || !stands_there(run_file)) return;
  if (core::read_json_file(run_file.string()).value("state", "") != "finished") return;
  core::fail_request(
      "output: {} holds a finished run; choose another folder, {}", output,
      checkpoints_of(output).empty()
          ? "or say overwrite=true (it kept no checkpoint to go on from)"
          : "say overwrite=true, or resume=extend to go on with it to larger training.epochs or "
            "training.max_steps");
}

std::int64_t RunFolder::checkpoint_step() const {
  return checkpoint_ ? std::stoll(checkpoint_->substr(checkpoint_->rfind('-') + 1)) : 0;
}

std::string RunFolder::checkpoint_path(std::int64_t step) const {
  return (fs::path(path_) / "checkpoints" / fmt::format("step-{:06}", step)).string();
}

void RunFolder::begin(core::Json run_info) {
  if (!writes_) return;
  created_ = !fs::exists(path_);
  core::ensure_folder(path_);
  lock_.emplace(path_);
  if (fresh_) {
    for (const char* name : {"checkpoints", "profile", "metrics.jsonl", "evaluations.jsonl", "samples.jsonl",
                             "report.html", "run.json", "data_rows.bin"})
      fs::remove_all(fs::path(path_) / name);
    for (const auto& entry : fs::directory_iterator(path_))
      if (entry.path().filename().string().find("tfevents") != std::string::npos) fs::remove(entry.path());
  }
  fs::remove(fs::path(path_) / "bad_batch.jsonl");
  fs::remove_all(fs::path(path_) / "model");  // an extended run's: a result appears when the run has finished
  core::ensure_folder((fs::path(path_) / "checkpoints").string());
  remove_left_overs(path_);
  remove_left_overs(fs::path(path_) / "checkpoints");
  run_info["state"] = "running";
  put_info(run_info);
  core::write_file_atomically((fs::path(path_) / "recipe.yaml").string(), core::to_yaml(recipe_));
}

bool RunFolder::discard() {
  if (!writes_) return true;
  const std::string metrics = core::join_path(path_, "metrics.jsonl");
  if (!created_ || !checkpoints().empty() || (fs::exists(metrics) && fs::file_size(metrics) > 0))
    return false;
  fs::remove_all(path_);
  return true;
}

void RunFolder::rewind(std::int64_t step) {
  if (!writes_) return;
  keep_lines_up_to((fs::path(path_) / "metrics.jsonl").string(), step);
  keep_lines_up_to((fs::path(path_) / "evaluations.jsonl").string(), step);
  keep_lines_up_to((fs::path(path_) / "samples.jsonl").string(), step - 1);
}

void RunFolder::append_line(const std::string& file, const core::Json& row) {
  if (!writes_) return;
  const std::string path = (fs::path(path_) / file).string(), line = core::to_line(row) + "\n";
  std::FILE* out = std::fopen(path.c_str(), "ab");
  const bool written = out != nullptr && std::fwrite(line.data(), 1, line.size(), out) == line.size();
  if ((out != nullptr && std::fclose(out) != 0) || !written)
    core::fail_run("{}: cannot write (disk full?)", path);
}

void RunFolder::append_metrics(const core::Json& row) { append_line("metrics.jsonl", row); }
void RunFolder::append_sample(const core::Json& record) { append_line("samples.jsonl", record); }

void RunFolder::put_evaluation(const core::Json& line, std::span<const std::int64_t> kept) {
  if (!writes_) return;
  const std::string path = (fs::path(path_) / "evaluations.jsonl").string();
  const std::int64_t step = line.at("step");
  const auto stays = [&](std::int64_t at) { return at < step && std::ranges::find(kept, at) != kept.end(); };
  core::write_file_atomically(path, lines_of_steps(path, stays) + core::to_line(line) + "\n");
}

void RunFolder::prune_checkpoints(std::int64_t keep, const std::string& best) {
  if (!writes_) return;
  auto all = checkpoints();
  // The best one counts; one more may stay, so that a run whose limit is 1 can still be continued.
  const auto spared = std::find(all.begin(), all.end(), best);
  if (spared != all.end() && all.end() - spared > keep) {
    all.erase(spared);
    keep = std::max<std::int64_t>(keep - 1, std::min<std::int64_t>(keep, 1));
  }
  for (std::size_t i = 0; keep > 0 && i + static_cast<std::size_t>(keep) < all.size(); ++i) {
    // Renamed first: a kill in the middle of the removal must not leave half a checkpoint under its name.
    const fs::path doomed =
        fs::path(all[i]).parent_path() / (".removed-" + fs::path(all[i]).filename().string());
    fs::rename(all[i], doomed);
    fs::remove_all(doomed);
  }
}

void RunFolder::put_info(const core::Json& changes) {
  if (!writes_) return;
  info_.update(changes);
  core::write_file_atomically((fs::path(path_) / "run.json").string(), info_.dump(2) + "\n");
}

void RunFolder::close(const std::string& state, const std::string& reason) {
  core::Json changes = {{"state", state}};
  if (!reason.empty()) changes["reason"] = reason;
  put_info(changes);
}

}  // namespace attune::training
