// From data=… to the files that are read.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "data/options.h"
#include "data/rows/file/split_slice.h"

namespace attune::data {

/// One entry of data.path.
struct SourceEntry {
  std::string path;
  double weight = 1;
  std::string split;  ///< its own, else that of the options
  SplitSlice slice;   ///< what of the split is read
};
/// @throws Error{kRequest}: neither a text nor a list of texts and {path, weight, split}; a weight that is not
/// positive; a split with something in brackets that is no slice.
std::vector<SourceEntry> source_entries(const DataOptions& options);

enum class FileKind { kJsonLines, kJson, kCsv, kTsv, kText };

struct SourceFile {
  std::string path;
  FileKind kind = FileKind::kJsonLines;
};
/// The files of one entry in order: the file itself, which is its own training split, or those of a folder that belong to the split by their
/// names: to train those of split_of, to train_prefs those that are called so (train_prefs.jsonl,
/// train_prefs-00000-of-00002.jsonl). @throws Error{kRequest}: missing, a kind that cannot be read, a folder
/// without data, no such split.
std::vector<SourceFile> source_files(const SourceEntry& entry, const DataOptions& options);

/// What a folder's splits are called: "train", "test", "train_prefs".
std::vector<std::string> splits_of_folder(const std::string& folder);
/// Those of them that are of one kind: "train", "validation" or "test".
std::vector<std::string> splits_of_kind(const std::string& folder, std::string_view kind);
/// Also with a slice of it: "train[:90%]".
bool has_split(const std::string& folder, std::string split);

/// The split that a file's name and its folders below the root tell: "train", "validation", "test", or "" for
/// none.
std::string split_of(const std::string& relative_path);

}  // namespace attune::data
