#include "data/rows/source_files.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "core/ascii.h"
#include "core/files/files.h"

namespace attune::data {
namespace {

namespace fs = core::fs;

constexpr std::size_t kMaxFiles = 100000;
constexpr int kMaxDepth = 6;

/// "prefs.jsonl.gz" → ".jsonl".
std::string data_extension(const std::string& path) {
  fs::path name = fs::path(path).filename();
  if (core::lowercase(name.extension().string()) == ".gz" ||
      core::lowercase(name.extension().string()) == ".zst")
    name = name.stem();
  return core::lowercase(name.extension().string());
}

const std::map<std::string, FileKind>& readable_kinds() {
  static const std::map<std::string, FileKind> kinds = {
      {".jsonl", FileKind::kJsonLines}, {".ndjson", FileKind::kJsonLines}, {".json", FileKind::kJson},
      {".csv", FileKind::kCsv},         {".tsv", FileKind::kTsv},          {".txt", FileKind::kText}};
  return kinds;
}

SourceFile source_file(const std::string& path) {
  const std::string extension = data_extension(path);
  const auto kind = readable_kinds().find(extension);
  if (kind != readable_kinds().end()) return {path, kind->second};
  if (extension == ".parquet" || extension == ".arrow")
    core::fail_request(
        "{}: this build has no reader for {} files. Convert it to JSON Lines, e.g. with Python: "
        "datasets.load_dataset(\"parquet\", data_files=\"{}\")[\"train\"].to_json(\"data.jsonl\")",
        path, extension.substr(1), path);
  if (extension == ".xz" || extension == ".bz2")
    core::fail_request("{}: {} is not read here; decompress it, or use .gz or .zst", path,
                       extension.substr(1));
  return {path, FileKind::kJson};  // told by its content
}

void collect(const fs::path& folder, const fs::path& below, int depth, std::vector<std::string>& found) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename();
    if (name.empty() || name[0] == '.') continue;
    std::error_code ignored;
    if (entry.is_directory(ignored)) {
      if (depth < kMaxDepth) collect(entry.path(), below / name, depth + 1, found);
    } else if (readable_kinds().contains(data_extension(name)) || data_extension(name) == ".parquet") {
      // Files of dataset folders that are not data.
      if (name == "dataset_info.json" || name == "dataset_infos.json" || name == "state.json") continue;
      found.push_back(below / name);
      if (found.size() > kMaxFiles) core::fail_request("{}: more than {} files", folder.string(), kMaxFiles);
    }
  }
  if (error) core::fail_request("{}: cannot list the folder: {}", folder.string(), error.message());
}

std::vector<SourceFile> folder_files(const std::string& folder, const std::string& split) {
  std::vector<std::string> found;
  collect(folder, "", 0, found);
  std::sort(found.begin(), found.end());
  if (found.empty())
    core::fail_request(
        "{}: the folder holds no data files (jsonl, ndjson, json, csv, tsv, txt, also .gz and .zst)", folder);
  std::map<std::string, std::vector<std::string>> by_split;
  for (const auto& name : found) by_split[split_of(name)].push_back(name);
  std::string wanted = split_of(split + ".");
  if (split.empty()) wanted = by_split.contains("train") ? "train" : "";
  if (!split.empty() && wanted.empty()) wanted = split;
  const auto chosen = by_split.find(wanted);
  if (chosen == by_split.end()) {
    std::vector<std::string> known;
    for (const auto& [name, files] : by_split) known.push_back(name.empty() ? "(no split)" : name);
    core::fail_request(
        "{}: {}; the folder has: {}", folder,
        split.empty() ? "say which split with data.split=…" : "there is no split \"" + split + "\"",
        fmt::join(known, ", "));
  }
  std::vector<SourceFile> files;
  for (const auto& name : chosen->second) files.push_back(source_file(fs::path(folder) / name));
  return files;
}

bool looks_like_hub_name(const std::string& path) {
  return std::count(path.begin(), path.end(), '/') <= 1 && path.find('.') == std::string::npos &&
         path[0] != '/';
}

SourceEntry source_entry(const core::Json& value) {
  SourceEntry entry;
  if (value.is_string()) {
    entry.path = value.get<std::string>();
  } else if (value.is_object() && value.contains("path") && value.at("path").is_string()) {
    entry.path = value.at("path").get<std::string>();
    for (const auto& [key, setting] : value.items()) {
      if (key == "path") continue;
      if (key != "weight")
        core::fail_request("data.path: unknown key \"{}\"; an entry has path and weight", key);
      if (!setting.is_number() || !(setting > 0) || setting > 1000)
        core::fail_request("data.path: the weight of {} must be a number above 0 (at most 1000)", entry.path);
      entry.weight = setting.get<double>();
    }
  } else {
    core::fail_request(
        "data.path must be a file, a folder, or a list of these or of {{path: …, weight: …}}, found {}",
        core::to_line(value).substr(0, 80));
  }
  if (entry.path.empty())
    core::fail_request("data.path: an empty path; give a file or folder, e.g. data=prefs.jsonl");
  return entry;
}

}  // namespace

std::string split_of(const std::string& relative_path) {
  static const std::map<std::string, std::string> names = {
      {"train", "train"},      {"training", "train"}, {"validation", "validation"},
      {"valid", "validation"}, {"dev", "validation"}, {"val", "validation"},
      {"test", "test"},        {"testing", "test"},   {"eval", "test"},
      {"evaluation", "test"}};
  std::string word;
  for (const char c : core::lowercase(relative_path) + ".") {
    const bool delimiter = c == '-' || c == '.' || c == '_' || c == ' ' || c == '/' || (c >= '0' && c <= '9');
    if (!delimiter) {
      word += c;
      continue;
    }
    const auto found = names.find(word);
    if (found != names.end()) return found->second;
    word.clear();
  }
  return "";
}

std::vector<SourceEntry> source_entries(const DataOptions& options) {
  if (!options.given()) return {};
  if (!options.path.is_array()) return {source_entry(options.path)};
  std::vector<SourceEntry> entries;
  for (const auto& value : options.path) entries.push_back(source_entry(value));
  return entries;
}

std::vector<SourceFile> source_files(const std::string& path, const DataOptions& options) {
  std::error_code error;
  const auto status = fs::status(path, error);
  if (fs::is_directory(status)) return folder_files(path, options.split);
  if (fs::exists(status)) return {source_file(path)};
  if (looks_like_hub_name(path))
    core::fail_request(
        "{0}={1}: no such file or folder here, and data sets are not fetched from the hub by this build. "
        "Fetch it "
        "with `hf download --repo-type dataset {1} --local-dir DIR` and give {0}=DIR",
        options.key, path);
  core::fail_request("{}={}: no such file or folder", options.key, path);
}

}  // namespace attune::data
