// The data files of a run as they were when it began: a run that goes on compares them with what is there.
#pragma once

#include <string>
#include <vector>

#include "core/json.h"
#include "data/dataset.h"
#include "data/rows/file/file_content.h"
#include "training/options.h"
#include "training/run/recipe/terms.h"

namespace attune::training {

class DataFiles {
 public:
  /// Reads every file that the recipe's data settings name: training, held-out, those of single methods.
  DataFiles(const TrainRecipe& recipe, const std::vector<TermSetting>& terms);

  /// [{"setting": "data", "path", "fingerprint", "rows"}], as run.json keeps it.
  core::Json json() const;
  /// Writes the fingerprints of rows beside run.json, and reads what an earlier part of the run wrote.
  void save(const std::string& folder) const;

  /// For the cache of tokens, which need not read the files once more.
  data::KnownContent known() const;

  /// What differs from the files that run.json tells of: file and first differing row; "" when nothing does.
  std::string difference(const core::Json& before, const std::string& folder) const;

  static constexpr const char* kFile = "data_rows.bin";

 private:
  struct File {
    data::DataOptions options;
    data::FileContent content;
  };
  std::string difference_of_rows(const File& file, const std::vector<std::uint32_t>& before) const;

  std::vector<File> files_;
};

}  // namespace attune::training
