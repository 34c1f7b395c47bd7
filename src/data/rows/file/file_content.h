// What a data file holds, in numbers: whether it has changed, and from which row on.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/options.h"
#include "data/rows/file/source_files.h"

namespace attune::data {

struct FileContent {
  std::string path;
  std::uint64_t fingerprint = 0;    ///< of the lines where they are the rows, else of the bytes
  std::vector<std::uint32_t> rows;  ///< of each row; empty where they are too many to be counted by the way
};

/// FileContent::fingerprint alone: no row is parsed for it.
std::uint64_t content_fingerprint(const SourceFile& file, const DataOptions& options);

/// Of one file; where rows are lines it is read once.
FileContent content_of(const SourceFile& file, const DataOptions& options);

/// Every file of a data setting in the order in which it is read. @throws Error{kRequest} as reading does
std::vector<FileContent> file_contents(const DataOptions& options);

/// The place of a row for messages: "prefs.jsonl:18", or "prefs.json (row 17)" where rows are no lines.
std::string place_of_row(const std::string& path, std::size_t row, const DataOptions& options);

}  // namespace attune::data
