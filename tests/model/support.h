// Shared by the model tests: small forests, small configurations, a temporary folder, and an allocator that
// counts.
#pragma once

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/CPUAllocator.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/forest.h"
#include "core/json.h"

namespace attune::model::test {

/// Tests share the machine: one thread each, or the threads of two programs spin against each other.
inline const bool kOneThread = (at::set_num_threads(1), true);

using Ids = std::vector<std::int32_t>;

/// Sequences of several groups; the ids decide what is shared.
struct Case {
  std::string name;
  std::vector<Ids> sequences;
  std::vector<std::int64_t> groups;

  core::Forest forest(bool share = true) const {
    std::vector<core::TokenSequence> packed;
    for (std::size_t i = 0; i < sequences.size(); ++i)
      packed.push_back({sequences[i], groups.empty() ? 0 : groups[i], 0});
    return core::build_forest(packed, share);
  }
};

/// `count` tokens from `from` on, modulo 50.
inline Ids run(int from, int count) {
  Ids out;
  for (int i = 0; i < count; ++i) out.push_back((from + i) % 50);
  return out;
}

inline Ids operator+(Ids a, const Ids& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

inline std::vector<Case> all_cases() {
  return {
      {"one token", {{3}}, {}},
      {"one-token prompt, one-token completions", {{3, 1}, {3, 2}, {3, 4}}, {}},
      {"pair", {run(0, 9) + Ids{40, 1, 2}, run(0, 9) + Ids{41, 7}}, {}},
      {"three candidates", {run(0, 5) + Ids{40, 1}, run(0, 5) + Ids{41, 7, 9, 8}, run(0, 5) + Ids{42}}, {}},
      {"two levels",
       {run(0, 4) + run(20, 5) + Ids{1, 2, 3}, run(0, 4) + run(20, 5) + Ids{9}, run(0, 4) + Ids{30, 31, 32},
        run(0, 4) + Ids{33, 34}},
       {}},
      {"equal ones, prefixes, two groups",
       {run(0, 6), run(0, 6), run(0, 3), run(0, 8), Ids{7, 8, 9}, Ids{7, 8}, Ids{1}},
       {0, 0, 0, 0, 1, 1, 1}},
      {"tiles",
       {run(0, 70) + Ids{7, 7} + run(3, 80), run(0, 70) + Ids{8} + run(9, 40), run(0, 70) + Ids{9}},
       {}},
  };
}

inline core::Json tiny_llama() {
  return core::Json::parse(
      R"({"model_type": "llama", "vocab_size": 50, "hidden_size": 16, "intermediate_size": 24,
    "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 256})");
}

inline core::Json tiny_gpt2() {
  return core::Json::parse(
      R"({"model_type": "gpt2", "vocab_size": 50, "n_embd": 16, "n_layer": 2, "n_head": 2,
    "n_positions": 256})");
}

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "attune-test-XXXXXX").string();
    path_ = mkdtemp(pattern.data());
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

/// The message of the request error that a call ends with, "" when it ends with none.
template <class Call>
std::string message_of(Call call) {
  try {
    call();
    return "";
  } catch (const core::Error& error) {
    EXPECT_EQ(error.code(), core::ErrorCode::kRequest);
    return error.what();
  }
}

inline void write_text(const std::string& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

/// Counts what tensors allocate while it lives: the largest block, and the most bytes alive at once.
class CountingAllocator final : public c10::Allocator {
 public:
  CountingAllocator() : inner_(c10::GetCPUAllocator()) { c10::SetCPUAllocator(this, 200); }
  ~CountingAllocator() override { c10::SetCPUAllocator(inner_, 200); }
  c10::DataPtr allocate(std::size_t bytes) override {
    Header* header = new Header{inner_->allocate(bytes), bytes, this};
    void* data = header->data.get();
    largest_ = std::max(largest_, bytes);
    alive_ += bytes;
    peak_ = std::max(peak_, alive_);
    return {data, header, &release, c10::Device(c10::kCPU)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return nullptr; }
  void copy_data(void* to, const void* from, std::size_t count) const override {
    default_copy_data(to, from, count);
  }
  std::size_t largest() const { return largest_; }
  std::size_t peak() const { return peak_; }

 private:
  struct Header {
    c10::DataPtr data;
    std::size_t bytes;
    CountingAllocator* owner;
  };
  static void release(void* context) {
    const std::unique_ptr<Header> header(static_cast<Header*>(context));
    header->owner->alive_ -= header->bytes;
  }
  c10::Allocator* inner_;
  std::size_t largest_ = 0, alive_ = 0, peak_ = 0;
};

}  // namespace attune::model::test
