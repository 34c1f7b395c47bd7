// Text files as streams: plain, .gz and .zst (told by their first bytes, not by their name), line by line or
// element by element of a JSON array. Memory stays at one line or element, whatever the file's size.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace attune::core {

/// Longest line or array element that is accepted unless the caller says otherwise: 256 MiB.
inline constexpr std::size_t kMaxLineBytes = std::size_t{256} << 20;

/// The decompressed bytes of a file, front to back.
class ByteStream {
 public:
  virtual ~ByteStream() = default;
  /// Fills up to `size` bytes; 0 at the end. @throws Error{kRequest}: unreadable, damaged or truncated.
  virtual std::size_t read(char* into, std::size_t size) = 0;
};
/// @throws Error{kRequest}: missing, a folder, not readable.
std::unique_ptr<ByteStream> open_stream(const std::string& path);

/// Buffers a stream and counts where it stands.
class InputBuffer {
 public:
  explicit InputBuffer(const std::string& path);
  /// The bytes at hand, at least one unless the input has ended (then empty). A byte order mark at the start
  /// is skipped.
  std::string_view peek();
  void skip(std::size_t count);
  /// Bytes consumed so far, in the decompressed stream (a byte order mark counts).
  std::int64_t offset() const { return offset_; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  std::unique_ptr<ByteStream> stream_;
  std::string block_;
  std::size_t at_ = 0, end_ = 0;
  std::int64_t offset_ = 0;
  bool started_ = false, ended_ = false;
};

/// Lines of a text file, without their end ("\n" or "\r\n"). The last line needs none; an empty file has no
/// lines.
class LineReader {
 public:
  explicit LineReader(const std::string& path, std::size_t max_line = kMaxLineBytes);
  /// The next line, or false at the end. @throws Error{kRequest} with `path:line`: damaged input, a line too
  /// long.
  bool next(std::string& line);
  /// The number of the line that next() gave last, from 1.
  std::int64_t line_number() const { return line_; }
  /// Where that line begins in the decompressed stream.
  std::int64_t byte_offset() const { return begin_; }

 private:
  InputBuffer input_;
  std::size_t max_line_;
  std::int64_t line_ = 0, begin_ = 0;
};

/// The elements of a top-level JSON array as texts. Only brackets and strings are looked at: parse each
/// element to know whether it is valid JSON (an invalid one is then one bad row, not a bad file).
class JsonArrayReader {
 public:
  explicit JsonArrayReader(const std::string& path, std::size_t max_element = kMaxLineBytes);
  /// The next element's text without surrounding space, or false after the closing bracket.
  /// @throws Error{kRequest} with `path:line`: not an array, cut short, an element too long, text after the
  /// array.
  bool next(std::string& element);
  /// The line on which the element that next() gave last begins, from 1.
  std::int64_t line_number() const { return begin_line_; }
  std::int64_t byte_offset() const { return begin_; }
  /// The number of elements given so far.
  std::int64_t count() const { return count_; }

 private:
  char look();
  char look_past_space();
  void take(std::string* into);
  void read_element(std::string& element);
  [[noreturn]] void fail(std::string_view what) const;

  InputBuffer input_;
  std::size_t max_element_;
  std::int64_t line_ = 1, begin_line_ = 0, begin_ = 0, count_ = 0;
  bool opened_ = false, closed_ = false;
};

/// The first byte of a text file that is not white space (after a byte order mark), or '\0' when there is
/// none: '[' and '{' tell a JSON array from JSON Lines.
char first_character(const std::string& path);

}  // namespace attune::core
