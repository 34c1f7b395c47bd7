// From data=… to the files that are read.
#pragma once

#include <string>
#include <vector>

#include "data/options.h"

namespace attune::data {

/// One entry of data.path.
struct SourceEntry {
  std::string path;
  double weight = 1;
};
/// @throws Error{kRequest}: neither a text nor a list of texts and {path, weight}; a weight that is not
/// positive.
std::vector<SourceEntry> source_entries(const DataOptions& options);

enum class FileKind { kJsonLines, kJson, kCsv, kTsv, kText };

struct SourceFile {
  std::string path;
  FileKind kind = FileKind::kJsonLines;
};
/// The files of one entry in order: the file itself, or those of a folder that belong to `split` by their
/// names (split_of). @throws Error{kRequest}: missing, a kind that cannot be read, a folder without data, no
/// such split.
std::vector<SourceFile> source_files(const std::string& path, const DataOptions& options);

/// The split that a file's name and its folders below the root tell: "train", "validation", "test", or "" for
/// none.
std::string split_of(const std::string& relative_path);

}  // namespace attune::data
