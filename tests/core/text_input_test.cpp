#include "core/files/text_input.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <filesystem>
#include <fstream>

#include "core/error.h"

namespace attune::core {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
namespace fs = std::filesystem;

class TextInput : public testing::Test {
 protected:
  TextInput() : folder_(fs::temp_directory_path() / ("attune-text-" + std::to_string(::getpid()))) {
    fs::create_directories(folder_);
  }
  ~TextInput() override { fs::remove_all(folder_); }

  std::string file(const std::string& bytes) {
    const std::string path = (folder_ / ("f" + std::to_string(count_++))).string();
    std::ofstream(path, std::ios::binary) << bytes;
    return path;
  }
  static std::string gzip(const std::string& text) {
    std::string out(compressBound(text.size()) + 64, '\0');
    z_stream state{};
    deflateInit2(&state, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
    state.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
    state.avail_in = static_cast<uInt>(text.size());
    state.next_out = reinterpret_cast<Bytef*>(out.data());
    state.avail_out = static_cast<uInt>(out.size());
    deflate(&state, Z_FINISH);
    out.resize(state.total_out);
    deflateEnd(&state);
    return out;
  }
  static std::string zstd(const std::string& text) {
    std::string out(ZSTD_compressBound(text.size()), '\0');
    out.resize(ZSTD_compress(out.data(), out.size(), text.data(), text.size(), 3));
    return out;
  }
  static std::vector<std::string> lines(const std::string& path, std::size_t max = kMaxLineBytes) {
    LineReader reader(path, max);
    std::vector<std::string> out;
    for (std::string line; reader.next(line);) out.push_back(line);
    return out;
  }
  static std::vector<std::string> elements(const std::string& path, std::size_t max = kMaxLineBytes) {
    JsonArrayReader reader(path, max);
    std::vector<std::string> out;
    for (std::string element; reader.next(element);) out.push_back(element);
    return out;
  }
  template <class Call>
  static std::string refusal(Call call) {
    try {
      call();
    } catch (const Error& error) {
      EXPECT_EQ(error.exit_code(), 2);
      return error.what();
    }
    return "accepted";
  }

  fs::path folder_;
  int count_ = 0;
};

TEST_F(TextInput, LinesWithPlaces) {
  LineReader reader(
      file("\xEF\xBB\xBF"
           "ab\r\n\ncd\re\nlast"));
  std::string line;
  ASSERT_TRUE(reader.next(line));
  EXPECT_EQ(line, "ab");
  EXPECT_EQ(reader.byte_offset(), 3);
  ASSERT_TRUE(reader.next(line));
  EXPECT_EQ(line, "");
  ASSERT_TRUE(reader.next(line));
  EXPECT_EQ(line, "cd\re");
  EXPECT_EQ(reader.line_number(), 3);
  EXPECT_EQ(reader.byte_offset(), 8);  // 3 + "ab\r\n" + "\n"
  ASSERT_TRUE(reader.next(line));
  EXPECT_EQ(line, "last");
  EXPECT_FALSE(reader.next(line));
  EXPECT_FALSE(reader.next(line));
  EXPECT_TRUE(lines(file("")).empty());
  EXPECT_TRUE(lines(file("\xEF\xBB\xBF")).empty());
  EXPECT_THAT(lines(file("\n")), ElementsAre(""));
}

TEST_F(TextInput, CompressedFilesGiveTheSameLines) {
  std::string text;
  for (int i = 0; i < 200000; ++i) text += "line " + std::to_string(i * 7919 % 100003) + "\n";
  const auto plain = lines(file(text));
  EXPECT_EQ(plain.size(), 200000u);
  EXPECT_EQ(lines(file(gzip(text))), plain);
  EXPECT_EQ(lines(file(zstd(text))), plain);
  const std::string half = text.substr(0, 1000), rest = text.substr(1000);
  EXPECT_EQ(lines(file(gzip(half) + gzip(rest))), plain);
  EXPECT_EQ(lines(file(zstd(half) + zstd(rest))), plain);
  EXPECT_EQ(lines(file(gzip(text) + std::string(1000, '\0'))), plain);
  // Highly compressible: more output waits inside the decoder after all input was taken.
  EXPECT_EQ(lines(file(zstd(std::string(5000000, 'x')))),
            std::vector<std::string>{std::string(5000000, 'x')});
  EXPECT_TRUE(lines(file(gzip(""))).empty());
}

TEST_F(TextInput, DamagedFilesAreNamed) {
  std::string text;
  for (int i = 0; i < 50000; ++i) text += std::to_string(i * 7919 % 100003);
  const std::string packed = gzip(text), frame = zstd(text);
  EXPECT_THAT(refusal([&] { lines(file(packed.substr(0, packed.size() / 2))); }), HasSubstr("truncated"));
  EXPECT_THAT(refusal([&] { lines(file(packed.substr(0, packed.size() - 2))); }), HasSubstr("truncated"));
  EXPECT_THAT(refusal([&] { lines(file(frame.substr(0, frame.size() - 5))); }), HasSubstr("truncated"));
  std::string wrong = packed;
  wrong[packed.size() - 6] ^= 1;  // the checksum
  EXPECT_THAT(refusal([&] { lines(file(wrong)); }), HasSubstr("damaged"));
  EXPECT_THAT(refusal([&] { lines(file(packed + "garbage")); }), HasSubstr("damaged"));
  EXPECT_THAT(refusal([&] { lines((folder_ / "missing").string()); }), HasSubstr("No such file"));
  EXPECT_THAT(refusal([&] { lines(folder_.string()); }), HasSubstr("is a folder"));
  EXPECT_THAT(refusal([&] { lines(file("ab\nabcdefgh\n"), 4); }),
              HasSubstr(":2: the line is longer than 4 bytes"));
}

TEST_F(TextInput, ElementsOfAnArray) {
  const std::string path = file("\xEF\xBB\xBF \n[ {\"a\": \"],}\\\"\"},\n\n [1,[2]] , \"x\" ,3\n]\n");
  EXPECT_THAT(elements(path), ElementsAre("{\"a\": \"],}\\\"\"}", "[1,[2]]", "\"x\"", "3"));
  JsonArrayReader reader(path);
  std::string element;
  ASSERT_TRUE(reader.next(element));
  EXPECT_EQ(reader.line_number(), 2);
  ASSERT_TRUE(reader.next(element));
  EXPECT_EQ(reader.line_number(), 4);
  EXPECT_EQ(reader.count(), 2);
  EXPECT_TRUE(elements(file("[]")).empty());
  EXPECT_TRUE(elements(file(" [ ] ")).empty());
  EXPECT_EQ(first_character(path), '[');
  EXPECT_EQ(first_character(file("\n {\"a\":1}")), '{');
  EXPECT_EQ(first_character(file(" \n")), '\0');
}

TEST_F(TextInput, ElementsAcrossBlocks) {
  std::string text = "[";
  for (int i = 0; i < 60000; ++i)
    text += (i ? ",{\"id\": \"" : "{\"id\": \"") + std::to_string(i) + "\\\\\"}";
  const auto got = elements(file(gzip(text + "]")));
  ASSERT_EQ(got.size(), 60000u);
  EXPECT_EQ(got[59999], "{\"id\": \"59999\\\\\"}");
}

TEST_F(TextInput, BadArraysAreNamed) {
  EXPECT_THAT(refusal([&] { elements(file("{\"a\":1}")); }), HasSubstr("a JSON array"));
  EXPECT_THAT(refusal([&] { elements(file("")); }), HasSubstr("a JSON array"));
  EXPECT_THAT(refusal([&] { elements(file("[1,\n2")); }), HasSubstr(":2: the JSON array is cut short"));
  EXPECT_THAT(refusal([&] { elements(file("[1,")); }), HasSubstr("cut short"));
  EXPECT_THAT(refusal([&] { elements(file("[1")); }), HasSubstr("cut short"));
  EXPECT_THAT(refusal([&] { elements(file("[\"a")); }), HasSubstr("cut short"));
  EXPECT_THAT(refusal([&] { elements(file("[1,]")); }), HasSubstr("missing after ','"));
  EXPECT_THAT(refusal([&] { elements(file("[,1]")); }), HasSubstr("missing before ','"));
  EXPECT_THAT(refusal([&] { elements(file("[1}")); }), HasSubstr("without '{'"));
  EXPECT_THAT(refusal([&] { elements(file("[1] x")); }), HasSubstr("after the end"));
  EXPECT_THAT(refusal([&] { elements(file("[\"abcdefgh\"]"), 4); }), HasSubstr("longer than 4 bytes"));
  EXPECT_THAT(refusal([&] { elements(file(std::string(1000000, '['))); }), HasSubstr("cut short"));
}

}  // namespace
}  // namespace attune::core
