// A folder with a tiny model and records of ids, for runs that need no tokenizer and end in seconds.
#pragma once

#include <unistd.h>

#include <cstdlib>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "core/files/files.h"
#include "tests/training/step_fixture.h"
#include "training/options.h"

namespace attune::training::fixture {

inline TrainRecipe recipe_of(const std::string& yaml) {
  TrainRecipe recipe;
  core::Fields fields;
  recipe.declare(fields);
  fields.assign_all(core::parse_yaml(yaml, "test"), "");
  return recipe;
}

class RunPlace {
 public:
  RunPlace() {
    std::string name = core::fs::temp_directory_path() / "attune-run-XXXXXX";
    path_ = ::mkdtemp(name.data());
    model::Model::random(tiny_config(), 1).save(file("model"));
  }
  ~RunPlace() {
    std::error_code ignored;
    core::fs::remove_all(path_, ignored);
  }
  RunPlace(const RunPlace&) = delete;
  RunPlace& operator=(const RunPlace&) = delete;

  std::string file(const std::string& name) const { return path_ + "/" + name; }
  /// Records with two ranked candidates each; with `demonstrations` the first alone.
  std::string write_records(const std::string& name, std::size_t count, std::uint64_t seed,
                            bool demonstrations = false) const {
    std::string lines;
    for (const auto& row : random_rows(count, 2, seed)) {
      core::Json candidates = core::Json::array();
      for (std::size_t c = 0; c < (demonstrations ? 1U : 2U); ++c) {
        candidates.push_back({{"completion_ids", row.completions[c]}});
        if (!demonstrations) candidates.back()["rank"] = c;
      }
      lines += core::to_line({{"prompt_ids", row.prompt}, {"candidates", candidates}}) + "\n";
    }
    core::write_file_atomically(file(name), lines);
    return file(name);
  }

 private:
  std::string path_;
};

/// A number of each line of metrics.jsonl that has it.
inline std::vector<double> logged(const std::string& folder, const std::string& name) {
  std::vector<double> values;
  std::istringstream lines(core::read_file(folder + "/metrics.jsonl"));
  for (std::string line; std::getline(lines, line);) {
    const core::Json row = core::Json::parse(line);
    if (row.contains(name)) values.push_back(row[name]);
  }
  return values;
}

/// metrics.jsonl without what a clock or the memory of a process says.
inline std::string comparable_metrics(const std::string& folder) {
  std::string rows;
  std::size_t begin = 0;
  const std::string all = core::read_file(folder + "/metrics.jsonl");
  for (std::size_t end; (end = all.find('\n', begin)) != std::string::npos; begin = end + 1) {
    core::Json row = core::Json::parse(all.substr(begin, end - begin));
    for (const char* key : {"tokens_per_second", "step_seconds", "peak_rss_mb"}) row.erase(key);
    rows += core::to_line(row) + "\n";
  }
  return rows;
}

/// The bytes of each file below a folder.
inline std::map<std::string, std::string> bytes_below(const std::string& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : core::fs::recursive_directory_iterator(folder))
    if (entry.is_regular_file())
      files[core::fs::relative(entry.path(), folder)] = core::read_file(entry.path());
  return files;
}

}  // namespace attune::training::fixture
