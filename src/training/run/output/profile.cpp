#include "training/run/output/profile.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/profiler_kineto.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <set>
#include <vector>

#include "core/error.h"
#include "core/files/files.h"

namespace attune::training {
namespace {

namespace kineto = torch::autograd::profiler;
using Config = torch::profiler::impl::ProfilerConfig;
using torch::profiler::impl::ActivityType;

constexpr std::size_t kOperators = 20;  // shown

/// One recorded stretch on the processor. Stretches of a thread lie within each other or apart.
struct Stretch {
  std::string name;
  std::uint64_t begin = 0, end = 0, thread = 0;
  std::uint64_t inner = 0;  ///< nanoseconds of stretches of the same kind right below
};

struct Cost {
  double seconds = 0, self = 0;
  std::int64_t calls = 0;
};

/// The phases, or the operators, that were recorded within updates: evaluations and checkpoints between them
/// are on the time line only.
std::vector<Stretch> stretches_of(const kineto::ProfilerResult& result, bool phases) {
  std::vector<std::pair<std::uint64_t, std::uint64_t>> updates;
  for (const auto& event : result.events())
    if (event.name() == Profile::kUpdate) updates.emplace_back(event.startNs(), event.endNs());
  const auto inside = [&](const kineto::KinetoEvent& event) {
    return std::ranges::any_of(updates, [&](const auto& update) {
      return update.first <= event.startNs() && event.endNs() <= update.second;
    });
  };
  std::vector<Stretch> found;
  for (const auto& event : result.events()) {
    const bool phase = event.scope() == static_cast<std::uint8_t>(at::RecordScope::USER_SCOPE);
    if (event.deviceType() == c10::DeviceType::CPU && phase == phases && inside(event))
      found.push_back({event.name(), event.startNs(), event.endNs(), event.startThreadId(), 0});
  }
  std::ranges::sort(found, [](const Stretch& a, const Stretch& b) {
    return std::tuple(a.thread, a.begin, b.end) < std::tuple(b.thread, b.begin, a.end);
  });
  return found;
}

/// Time and calls by name; `self` leaves out what lies within another stretch of the list.
std::map<std::string, Cost> costs_of(std::vector<Stretch> stretches) {
  std::vector<std::size_t> open;
  for (std::size_t i = 0; i < stretches.size(); ++i) {
    while (!open.empty() && (stretches[open.back()].thread != stretches[i].thread ||
                             stretches[open.back()].end <= stretches[i].begin))
      open.pop_back();
    if (!open.empty()) stretches[open.back()].inner += stretches[i].end - stretches[i].begin;
    open.push_back(i);
  }
  std::map<std::string, Cost> costs;
  for (const auto& stretch : stretches) {
    Cost& cost = costs[stretch.name];
    const auto length = static_cast<double>(stretch.end - stretch.begin);
    cost.seconds += length * 1e-9;
    cost.self += (length - static_cast<double>(stretch.inner)) * 1e-9;
    ++cost.calls;
  }
  return costs;
}

std::string table(const std::string& title, const std::map<std::string, Cost>& costs, double whole,
                  std::size_t rows) {
  std::vector<std::pair<std::string, Cost>> sorted(costs.begin(), costs.end());
  std::ranges::sort(sorted, [](const auto& a, const auto& b) { return a.second.self > b.second.self; });
  std::string text =
      fmt::format("{:<40} {:>10} {:>8} {:>10} {:>9}\n", title, "self s", "share", "total s", "calls");
  for (std::size_t i = 0; i < std::min(rows, sorted.size()); ++i) {
    const auto& [name, cost] = sorted[i];
    text += fmt::format("{:<40} {:>10.4f} {:>7.1f}% {:>10.4f} {:>9}\n", name.substr(0, 40), cost.self,
                        whole > 0 ? 100 * cost.self / whole : 0, cost.seconds, cost.calls);
  }
  return text;
}

std::string summary_of(const kineto::ProfilerResult& result, std::int64_t updates) {
  const auto phases = costs_of(stretches_of(result, true)), operators = costs_of(stretches_of(result, false));
  double whole = 0;
  for (const auto& [name, cost] : phases) whole += cost.self;
  return fmt::format(
             "{} updates, {:.3f} s an update while recorded. \"self\" leaves out what is listed elsewhere in "
             "a table.\n\n",
             updates, whole / static_cast<double>(std::max<std::int64_t>(updates, 1))) +
         table("phase", phases, whole, phases.size()) + "\n" +
         table("operator", operators, whole, kOperators);
}

}  // namespace

Profile::~Profile() {
  if (recording_) kineto::disableProfiler();
}

void Profile::before_update() {
  if (recording_ || left_ == 0 || ++seen_ == 1) return;
  const std::set<ActivityType> activities = {ActivityType::CPU};
  const Config config(torch::profiler::impl::ProfilerState::KINETO);
  ::setenv("KINETO_LOG_LEVEL", "6",
           /*overwrite=*/0);  // libkineto tells of its own starts and stops below that
  kineto::prepareProfiler(config, activities);
  kineto::enableProfiler(config, activities);
  recording_ = true;
}

std::string Profile::after_update() {
  if (!recording_) return "";
  ++recorded_;
  return recorded_ == left_ ? finish() : "";
}

std::string Profile::finish() {
  if (!recording_ && left_ > 0) {
    left_ = 0;
    return "training.profile: nothing was recorded, for the first update is left out and there was no other";
  }
  if (!recording_) return "";
  recording_ = false;
  left_ = 0;
  const auto result = kineto::disableProfiler();
  core::StagedFolder stage(folder_);
  result->save(stage.path() + "/trace.json");
  core::write_file_atomically(stage.path() + "/summary.txt", summary_of(*result, recorded_));
  stage.publish();
  return fmt::format(
      "{} updates recorded: {}/summary.txt says where their time went, trace.json opens at ui.perfetto.dev",
      recorded_, folder_);
}

}  // namespace attune::training
