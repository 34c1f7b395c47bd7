#include "core/files/text_input.h"

#include <algorithm>
#include <cstring>

#include "core/error.h"

namespace attune::core {
namespace {

constexpr std::size_t kReadBlock = std::size_t{1} << 18;

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

}  // namespace

InputBuffer::InputBuffer(const std::string& path)
    : path_(path), stream_(open_stream(path)), block_(kReadBlock, '\0') {}

std::string_view InputBuffer::peek() {
  if (at_ == end_ && !ended_) {
    at_ = 0;
    end_ = stream_->read(block_.data(), block_.size());
    ended_ = end_ == 0;
    if (!started_) {
      started_ = true;
      while (end_ < 3 && !ended_) {  // a short first read must not hide a byte order mark
        const std::size_t more = stream_->read(block_.data() + end_, block_.size() - end_);
        if (more == 0) break;
        end_ += more;
      }
      if (std::string_view(block_.data(), end_).substr(0, 3) == "\xEF\xBB\xBF") skip(3);
      if (at_ == end_) return peek();
    }
  }
  return {block_.data() + at_, end_ - at_};
}

void InputBuffer::skip(std::size_t count) {
  ATTUNE_ASSERT(count <= end_ - at_);
  at_ += count;
  offset_ += static_cast<std::int64_t>(count);
}

LineReader::LineReader(const std::string& path, std::size_t max_line) : input_(path), max_line_(max_line) {}

bool LineReader::next(std::string& line) {
  line.clear();
  std::string_view bytes = input_.peek();
  if (bytes.empty()) return false;
  begin_ = input_.offset();
  ++line_;
  for (; !bytes.empty(); bytes = input_.peek()) {
    const std::size_t end = bytes.find('\n');
    const std::size_t count = std::min(end, bytes.size());
    if (line.size() + count > max_line_) {
      fail_request("{}:{}: the line is longer than {} bytes", input_.path(), line_, max_line_);
    }
    line.append(bytes.substr(0, count));
    input_.skip(end == std::string_view::npos ? count : count + 1);
    if (end != std::string_view::npos) break;
  }
  if (!line.empty() && line.back() == '\r') line.pop_back();
  return true;
}

JsonArrayReader::JsonArrayReader(const std::string& path, std::size_t max_element)
    : input_(path), max_element_(max_element) {}

void JsonArrayReader::fail(std::string_view what) const {
  fail_request("{}:{}: {}", input_.path(), line_, what);
}

/// The next byte, '\0' at the end (which is never valid between elements).
char JsonArrayReader::look() {
  const std::string_view bytes = input_.peek();
  return bytes.empty() ? '\0' : bytes.front();
}

void JsonArrayReader::take(std::string* into) {
  const char c = input_.peek().front();
  if (c == '\n') ++line_;
  if (into != nullptr) into->push_back(c);
  input_.skip(1);
}

char JsonArrayReader::look_past_space() {
  char c = look();
  while (is_space(c)) {
    take(nullptr);
    c = look();
  }
  return c;
}

bool JsonArrayReader::next(std::string& element) {
  element.clear();
  if (closed_) return false;
  if (!opened_) {
    if (look_past_space() != '[') fail("a JSON array ('[ … ]') was expected");
    take(nullptr);
    opened_ = true;
  } else if (look_past_space() == ',') {
    take(nullptr);
    if (look_past_space() == ']') fail("an element is missing after ','");
  } else if (look() != ']') {
    fail(input_.peek().empty() ? "the JSON array is cut short" : "',' or ']' was expected after an element");
  }
  if (look_past_space() == ']') {
    take(nullptr);
    closed_ = true;
    look_past_space();
    if (!input_.peek().empty()) fail("text after the end of the JSON array");
    return false;
  }
  begin_line_ = line_;
  begin_ = input_.offset();
  read_element(element);
  ++count_;
  return true;
}

void JsonArrayReader::read_element(std::string& element) {
  std::int64_t depth = 0;
  bool in_string = false, escaped = false;
  for (;;) {
    const std::string_view bytes = input_.peek();
    if (bytes.empty()) fail("the JSON array is cut short");
    // One pass over the block, then one append: this runs over gigabytes.
    std::size_t i = 0;
    bool done = false;
    for (; i < bytes.size(); ++i) {
      const char c = bytes[i];
      if (c == '\n') ++line_;
      if (in_string) {
        if (escaped) {
          escaped = false;
        } else if (c == '\\') {
          escaped = true;
        } else if (c == '"') {
          in_string = false;
        }
        continue;
      }
      if (c == '"') {
        in_string = true;
      } else if (c == '{' || c == '[') {
        ++depth;
      } else if (depth == 0 && (c == ',' || c == ']' || c == '}')) {
        done = true;
        break;
      } else if (c == '}' || c == ']') {
        --depth;
      }
    }
    if (element.size() + i > max_element_) {
      fail(fmt::format("an element is longer than {} bytes; is a quote or bracket missing?", max_element_));
    }
    element.append(bytes.substr(0, i));
    input_.skip(i);
    if (done) break;
  }
  if (look() == '}') fail("'}' without '{'");
  while (!element.empty() && is_space(element.back())) element.pop_back();
  if (element.empty()) fail("an element is missing before ','");
}

char first_character(const std::string& path) {
  InputBuffer input(path);
  for (std::string_view bytes = input.peek(); !bytes.empty(); bytes = input.peek()) {
    const auto found = std::find_if_not(bytes.begin(), bytes.end(), is_space);
    if (found != bytes.end()) return *found;
    input.skip(bytes.size());
  }
  return '\0';
}

}  // namespace attune::core
