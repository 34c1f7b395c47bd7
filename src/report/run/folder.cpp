// A run folder as the report sees it.
#include <fmt/format.h>

#include <filesystem>
#include <functional>
#include <string_view>

#include "core/error.h"
#include "core/files/files.h"
#include "core/system.h"
#include "report/report.h"

namespace attune::report {
namespace {

namespace fs = std::filesystem;
using core::Json;

constexpr std::uint64_t kMaxSmallFile = 16 << 20;

std::string_view as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// Calls `take` with each line that parses; returns how many do not. A last line without its end is a line
/// that is being written: it is left out silently.
std::size_t for_each_line(const fs::path& path, const std::function<void(const Json&)>& take) {
  if (!fs::is_regular_file(path)) return 0;
  const core::MappedFile file(path.string());
  std::string_view text = as_text(file.bytes());
  std::size_t bad = 0;
  for (std::size_t end = text.find('\n'); end != std::string_view::npos; end = text.find('\n')) {
    Json row;
    std::string why;
    if (core::try_parse_json(text.substr(0, end), row, why)) {
      take(row);
    } else if (end > 0) {
      ++bad;
    }
    text.remove_prefix(end + 1);
  }
  return bad;
}

std::string text_field(const Json& object, std::string_view key) {
  const auto found = object.find(std::string(key));
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

/// Text as it is; messages as "role: content" paragraphs; anything else (ids) as JSON.
std::string shown_text(const Json& value) {
  if (value.is_null()) return "";
  if (value.is_string()) return value.get<std::string>();
  if (!value.is_array() || value.empty() || !value.front().is_object()) return core::to_line(value);
  std::string text;
  for (const auto& message : value) {
    if (!message.is_object()) continue;
    const auto content = message.find("content");
    const std::string body = content == message.end() ? ""
                             : content->is_string()   ? content->get<std::string>()
                                                      : core::to_line(*content);
    text += (text.empty() ? "" : "\n\n") + text_field(message, "role") + ": " + body;
  }
  return text;
}

const Json& field_or_null(const Json& object, const char* key, const char* other) {
  static const Json null;
  for (const char* name : {key, other}) {
    const auto found = object.find(name);
    if (found != object.end()) return *found;
  }
  return null;
}

/// One native record with "step": its first candidate is the sample shown.
void take_sample(const Json& record, std::vector<ReportSample>& samples) {
  if (!record.is_object()) return;
  const auto candidates = record.find("candidates");
  if (candidates == record.end() || !candidates->is_array() || candidates->empty()) return;
  const Json& candidate = candidates->front();
  if (!candidate.is_object()) return;
  ReportSample sample;
  sample.prompt = shown_text(field_or_null(record, "prompt", "prompt_ids"));
  sample.completion = shown_text(field_or_null(candidate, "completion", "completion_ids"));
  const Json& id = field_or_null(record, "id", "prompt");
  sample.id = id.is_string() ? id.get<std::string>() : core::to_line(id);
  const Json& step = field_or_null(record, "step", "step");
  if (step.is_number_integer()) sample.step = step.get<std::int64_t>();
  const Json& reward = field_or_null(candidate, "reward", "reward");
  if (reward.is_number()) sample.reward = reward.get<double>();
  samples.push_back(std::move(sample));
}

/// A line of bad_batch.jsonl.
void take_bad_row(const Json& record, std::vector<BadRow>& rows) {
  std::vector<ReportSample> one;
  take_sample(record, one);
  if (one.empty()) return;
  BadRow row{"", std::move(one.front().prompt), std::move(one.front().completion)};
  const Json& meta = field_or_null(record, "meta", "meta");
  if (meta.is_object() && meta.contains("row") && meta["row"].is_number_integer())
    row.place = fmt::format("row {} of {}", meta["row"].get<std::int64_t>(), text_field(meta, "file"));
  rows.push_back(std::move(row));
}

}  // namespace

ReportInput read_run_folder(const std::string& run_folder) {
  const fs::path folder(run_folder);
  if (!fs::is_directory(folder)) core::fail_request("{}: no such run folder", run_folder);
  ReportInput input;
  input.folder_name = fs::weakly_canonical(folder).filename().string();
  const auto small_file = [&](const char* name) {
    const fs::path path = folder / name;
    return fs::is_regular_file(path) ? core::read_file(path.string(), kMaxSmallFile) : std::string();
  };
  input.recipe = small_file("recipe.yaml");
  std::string why;
  if (const auto text = small_file("run.json");
      !text.empty() && !core::try_parse_json(text, input.run, why)) {
    input.run = nullptr;
    input.extras.notes.push_back("run.json cannot be read: " + why);
  }
  std::size_t bad =
      for_each_line(folder / "metrics.jsonl", [&](const Json& row) { input.metrics.add_row(row); });
  bad += for_each_line(folder / "samples.jsonl", [&](const Json& row) { take_sample(row, input.samples); });
  bad += for_each_line(folder / "evaluations.jsonl", [&](const Json& row) {
    if (auto line = read_held_out(row)) input.held_out.push_back(std::move(*line));
  });
  if (input.run.is_object() && input.run.contains("state") && input.run["state"] == "failed")
    bad += for_each_line(folder / "bad_batch.jsonl",
                         [&](const Json& row) { take_bad_row(row, input.bad_batch); });
  if (bad > 0)
    input.extras.notes.push_back(
        fmt::format("{} of the run's files could not be read.", core::counted(bad, "line")));
  return input;
}

void write_report(const std::string& run_folder, ReportExtras extras) {
  ReportInput input = read_run_folder(run_folder);
  extras.notes.insert(extras.notes.end(), input.extras.notes.begin(), input.extras.notes.end());
  if (!extras.state.empty() && input.run.is_object()) input.run["state"] = extras.state;
  input.extras = std::move(extras);
  core::write_file_atomically((fs::path(run_folder) / "report.html").string(), render_report(input));
}

}  // namespace attune::report
