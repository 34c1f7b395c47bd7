#include "data/rows/file/source_files.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <regex>
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

const std::map<std::string, std::string>& split_words() {
  static const std::map<std::string, std::string> words = {
      {"train", "train"},      {"training", "train"}, {"validation", "validation"},
      {"valid", "validation"}, {"dev", "validation"}, {"val", "validation"},
      {"test", "test"},        {"testing", "test"},   {"eval", "test"},
      {"evaluation", "test"}};
  return words;
}

/// "data/train_prefs-00000-of-00002.jsonl.gz" → "train_prefs", "train.clean.jsonl" → "train.clean".
std::string stem_of(const std::string& relative_path) {
  std::string stem = core::lowercase(fs::path(relative_path).filename().string());
  const std::string ending = data_extension(relative_path);
  stem = stem.substr(0, ending.empty() ? stem.size() : stem.rfind(ending));
  static const std::regex shard("[-_. ]?[0-9]+([-_]of[-_][0-9]+)?$");
  return std::regex_replace(stem, shard, "");
}

/// What a file's split is called: its own name where that says more than which of the three it is.
std::string split_name(const std::string& relative_path) {
  const std::string kind = split_of(relative_path), stem = stem_of(relative_path);
  const bool says_more = !split_of(stem).empty() && !split_words().contains(stem);
  return says_more ? stem : kind;
}

bool belongs_to(const std::string& relative_path, const std::string& split) {
  const std::string wanted = core::lowercase(split);
  const auto kind = split_words().find(wanted);
  if (kind != split_words().end()) return split_of(relative_path) == kind->second;
  const fs::path folders = fs::path(relative_path).parent_path();
  const bool below = std::any_of(folders.begin(), folders.end(), [&](const fs::path& part) {
    return core::lowercase(part.string()) == wanted;
  });
  return below || wanted == stem_of(relative_path) || wanted == split_name(relative_path);
}

/// The data files of a folder, sorted.
std::vector<std::string> files_below(const std::string& folder) {
  std::vector<std::string> found;
  collect(folder, "", 0, found);
  std::sort(found.begin(), found.end());
  return found;
}

std::vector<SourceFile> folder_files(const std::string& folder, const std::string& split) {
  const auto found = files_below(folder);
  if (found.empty())
    core::fail_request(
        "{}: the folder holds no data files (jsonl, ndjson, json, csv, tsv, txt, also .gz and .zst)", folder);
  const bool has_train =
      std::any_of(found.begin(), found.end(), [](const auto& name) { return belongs_to(name, "train"); });
  std::vector<SourceFile> files;
  for (const auto& name : found) {
    const bool chosen = !split.empty() ? belongs_to(name, split)
                        : has_train    ? belongs_to(name, "train")
                                       : split_of(name).empty();
    if (chosen) files.push_back(source_file(fs::path(folder) / name));
  }
  if (files.empty())
    core::fail_request(
        "{}: {}; the folder has: {}", folder,
        split.empty() ? "say which split with data.split=…" : "there is no split \"" + split + "\"",
        fmt::join(splits_of_folder(folder), ", "));
  return files;
}

/// A file is its own training split, and the split that it is called by.
void require_split_of_file(const std::string& path, const std::string& split, const std::string& key) {
  const auto kind = split_words().find(core::lowercase(split));
  const bool training = split.empty() || (kind != split_words().end() && kind->second == "train");
  if (!training && !belongs_to(fs::path(path).filename().string(), split))
    core::fail_request(
        "{0}.split={1}: {2} is one file, which has no split of that name: leave it out (a part of the file is train[:90%])",
        key, split, path);
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
      if (key == "split" && setting.is_string()) {
        entry.split = setting.get<std::string>();
        continue;
      }
      if (key != "weight")
        core::fail_request("data.path: unknown key \"{}\"; an entry has path, split and weight", key);
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
  std::string word;
  for (const char c : core::lowercase(relative_path) + ".") {
    const bool delimiter = c == '-' || c == '.' || c == '_' || c == ' ' || c == '/' || (c >= '0' && c <= '9');
    if (!delimiter) {
      word += c;
      continue;
    }
    const auto found = split_words().find(word);
    if (found != split_words().end()) return found->second;
    word.clear();
  }
  return "";
}

std::vector<std::string> splits_of_folder(const std::string& folder) {
  std::set<std::string> names;
  for (const auto& file : files_below(folder)) {
    const std::string name = split_name(file);
    names.insert(name.empty() ? "(no split)" : name);
  }
  return {names.begin(), names.end()};
}

std::vector<std::string> splits_of_kind(const std::string& folder, std::string_view kind) {
  std::vector<std::string> names = splits_of_folder(folder);
  std::erase_if(names, [&](const std::string& name) { return split_of(name) != kind; });
  return names;
}

bool has_split(const std::string& folder, std::string split) {
  SplitSlice::taken_from(split);
  const auto files = files_below(folder);
  return std::any_of(files.begin(), files.end(), [&](const auto& file) { return belongs_to(file, split); });
}

std::vector<SourceEntry> source_entries(const DataOptions& options) {
  if (!options.given()) return {};
  std::vector<SourceEntry> entries;
  if (!options.path.is_array()) entries.push_back(source_entry(options.path));
  if (options.path.is_array())
    for (const auto& value : options.path) entries.push_back(source_entry(value));
  for (SourceEntry& entry : entries) {
    if (entry.split.empty()) entry.split = options.split;
    entry.slice = SplitSlice::taken_from(entry.split);
  }
  return entries;
}

std::vector<SourceFile> source_files(const SourceEntry& entry, const DataOptions& options) {
  const std::string& path = entry.path;
  std::error_code error;
  const auto status = fs::status(path, error);
  if (fs::is_directory(status)) return folder_files(path, entry.split);
  if (fs::exists(status)) {
    require_split_of_file(path, entry.split, options.key);
    return {source_file(path)};
  }
  if (looks_like_hub_name(path))
    core::fail_request(
        "{0}={1}: no such file or folder here, and data sets are not fetched from the hub by this build. Fetch it with "
        "`python3 -c 'import datasets; [rows.to_json(f\"DIR/{{name}}.jsonl\") for name, rows in "
        "datasets.load_dataset(\"{1}\").items()]'`, a file for each split, and give {0}=DIR",
        options.key, path);
  core::fail_request("{}={}: no such file or folder", options.key, path);
}

}  // namespace attune::data
