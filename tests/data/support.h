// Small files, a small tokenizer and small records for the data tests.
#pragma once

#include <gmock/gmock.h>

#include <string>
#include <vector>

#include "core/files/files.h"
#include "data/dataset.h"
#include "data/format.h"
#include "data/rows/example_reader.h"
#include "data/tokens/tokenize.h"

namespace attune::data::support {

/// A folder that goes when the test ends.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  std::string write(const std::string& name, std::string_view content) const;
  std::string path(const std::string& name = "") const;

 private:
  core::fs::path path_;
};

/// A byte-level tokenizer: one token a character but for the merges "th", "the" and " t"; ids: <s> 0, </s> 1,
/// <|im_start|> 2, <|im_end|> 3, then the 256 byte characters in their GPT-2 order, then the merges. With
/// `bos` the post-processor puts <s> in front.
std::string write_tokenizer(const TemporaryFolder& folder, bool bos = false);

/// A ChatML template with {% generation %} blocks.
text::ChatTemplate chat_template();

TextCodec codec(const TemporaryFolder& folder, bool bos = false);

core::Json json(const std::string& text);

/// All examples of a file under `options`.
std::vector<record::Example> read_all(const DataOptions& options);
DataOptions options_for(const std::string& path);

/// The message of the Error{kRequest} that an action throws; "" when it throws none.
template <class Action>
std::string request_error(Action action) {
  try {
    action();
  } catch (const core::Error& error) {
    EXPECT_EQ(error.exit_code(), 2) << error.what();
    return error.what();
  }
  return "";
}

}  // namespace attune::data::support
