// Small hand-made tokenizers for the tests.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "core/error.h"
#include "core/json.h"
#include "text/tokenizer/tokenizer.h"

namespace attune::text {

/// A folder of its own for each test, removed afterwards.
class TokenizerTest : public ::testing::Test {
 protected:
  TokenizerTest() {
    const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
    folder_ = std::filesystem::temp_directory_path() /
              (std::string("attune_") + test->test_suite_name() + "_" + test->name());
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
  ~TokenizerTest() override { std::filesystem::remove_all(folder_); }

  std::string write(const std::string& name, const std::string& text) const {
    std::ofstream(folder_ / name, std::ios::binary) << text;
    return (folder_ / name).string();
  }

  /// A tokenizer.json with `vocab` and `merges` as JSON text, and other members as given.
  Tokenizer make(const std::string& vocab, const std::string& merges, const std::string& model_options = "",
                 const std::string& members = "") const {
    return Tokenizer::load(write("tokenizer.json", json(vocab, merges, model_options, members)));
  }
  static std::string json(const std::string& vocab, const std::string& merges,
                          const std::string& model_options = "", const std::string& members = "") {
    return "{" + members + (members.empty() ? "" : ",") + R"("model": {"type": "BPE")" +
           (model_options.empty() ? "" : ", " + model_options) + R"(, "vocab": )" + vocab +
           R"(, "merges": )" + merges + "}}";
  }

  static std::string repeated(const std::string& text, int count) {
    std::string out;
    for (int i = 0; i < count; ++i) out += text;
    return out;
  }

  /// The message with which loading fails; "" if it does not.
  static std::string failure(const std::string& path) {
    try {
      Tokenizer::load(path);
      return "";
    } catch (const core::Error& error) {
      EXPECT_EQ(error.code(), core::ErrorCode::kRequest);
      return error.what();
    }
  }

  std::filesystem::path folder_;
};

using Ids = std::vector<std::int32_t>;

}  // namespace attune::text
