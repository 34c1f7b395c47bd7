#include "training/run/output/event_file.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <chrono>
#include <cstring>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/files/files.h"

namespace attune::training {
namespace {

constexpr std::size_t kHeaderBytes = 12;  // u64 length, u32 CRC of the length
constexpr std::size_t kFooterBytes = 4;   // u32 CRC of the data

std::array<std::uint32_t, 256> make_crc_table() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) ? 0x82f63b78u : 0u);
    table[byte] = crc;
  }
  return table;
}

template <class Number>
std::string little_endian(Number value) {
  static_assert(std::endian::native == std::endian::little);
  std::string bytes(sizeof(value), '\0');
  std::memcpy(bytes.data(), &value, sizeof(value));
  return bytes;
}

template <class Number>
Number read_little_endian(std::string_view bytes) {
  Number value;
  std::memcpy(&value, bytes.data(), sizeof(value));
  return value;
}

// --- protobuf: a field is a key (number << 3 | wire type) and its value ---

enum WireType : std::uint32_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

std::string varint(std::uint64_t value) {
  std::string bytes;
  for (; value >= 0x80; value >>= 7) bytes.push_back(static_cast<char>((value & 0x7f) | 0x80));
  bytes.push_back(static_cast<char>(value));
  return bytes;
}

std::string key(std::uint32_t number, WireType type) { return varint((number << 3) | type); }
std::string field(std::uint32_t number, std::int64_t value) {
  return key(number, kVarint) + varint(static_cast<std::uint64_t>(value));
}
std::string field(std::uint32_t number, double value) { return key(number, kFixed64) + little_endian(value); }
std::string field(std::uint32_t number, float value) { return key(number, kFixed32) + little_endian(value); }
std::string field(std::uint32_t number, std::string_view bytes) {
  return key(number, kBytes) + varint(bytes.size()) + std::string(bytes);
}

/// Takes a varint off the front; empty if the bytes end inside it.
std::optional<std::uint64_t> take_varint(std::string_view& bytes) {
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < 64 && !bytes.empty(); shift += 7) {
    const auto byte = static_cast<std::uint8_t>(bytes.front());
    bytes.remove_prefix(1);
    value |= std::uint64_t{byte & 0x7fu} << shift;
    if (byte < 0x80) return value;
  }
  return std::nullopt;
}

/// Field 2 (step) of an Event; 0, the protobuf default, where it is absent or the message is not understood.
std::int64_t step_of(std::string_view event) {
  while (const auto tag = take_varint(event)) {
    std::uint64_t skip = 0;
    switch (*tag & 7) {
      case kVarint: {
        const auto value = take_varint(event);
        if (!value) return 0;
        if (*tag >> 3 == 2) return static_cast<std::int64_t>(*value);
        continue;
      }
      case kFixed64:
        skip = 8;
        break;
      case kFixed32:
        skip = 4;
        break;
      case kBytes:
        skip = take_varint(event).value_or(UINT64_MAX);
        break;
      default:
        return 0;
    }
    if (skip > event.size()) return 0;
    event.remove_prefix(skip);
  }
  return 0;
}

// --- records ---

std::string record(std::string_view data) {
  std::string bytes = little_endian<std::uint64_t>(data.size());
  bytes += little_endian(masked_crc32c(bytes));
  bytes += data;
  bytes += little_endian(masked_crc32c(data));
  return bytes;
}

/// The whole record (header and footer included) at the front of `bytes`; empty if it is torn or damaged.
std::string_view whole_record(std::string_view bytes) {
  if (bytes.size() < kHeaderBytes + kFooterBytes) return {};
  const auto length = read_little_endian<std::uint64_t>(bytes);
  if (read_little_endian<std::uint32_t>(bytes.substr(8)) != masked_crc32c(bytes.substr(0, 8))) return {};
  if (length > bytes.size() - kHeaderBytes - kFooterBytes) return {};
  const auto stored = read_little_endian<std::uint32_t>(bytes.substr(kHeaderBytes + length));
  if (stored != masked_crc32c(bytes.substr(kHeaderBytes, length))) return {};
  return bytes.substr(0, kHeaderBytes + length + kFooterBytes);
}

std::string_view as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::vector<std::string> event_files(const std::string& folder) {
  std::vector<std::string> paths;
  for (const auto& entry : core::fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    if (entry.is_regular_file() && name.starts_with("events.out.tfevents.") &&
        !core::is_unfinished(entry.path()))
      paths.push_back(entry.path().string());
  }
  std::sort(paths.begin(), paths.end());  // names begin with the time of creation
  return paths;
}

/// Cuts the file after its last whole record. Returns the bytes that are left.
std::uint64_t cut_torn_tail(const std::string& path) {
  std::uint64_t whole = 0, size = 0;
  {
    const core::MappedFile file(path);
    const std::string_view bytes = as_text(file.bytes());
    size = bytes.size();
    while (const std::size_t length = whole_record(bytes.substr(whole)).size()) whole += length;
  }
  if (whole < size) core::fs::resize_file(path, whole);
  return whole;
}

std::string new_name(double seconds) {
  std::array<char, 256> host{};
  if (gethostname(host.data(), host.size() - 1) != 0 || host[0] == '\0')
    std::strcpy(host.data(), "localhost");
  return fmt::format("events.out.tfevents.{:010d}.{}.{}.0", static_cast<std::int64_t>(seconds), host.data(),
                     getpid());
}

}  // namespace

std::uint32_t crc32c(std::string_view bytes) {
  static const auto table = make_crc_table();
  std::uint32_t crc = 0xffffffffu;
  for (const char byte : bytes) crc = (crc >> 8) ^ table[(crc ^ static_cast<std::uint8_t>(byte)) & 0xffu];
  return ~crc;
}

std::uint32_t masked_crc32c(std::string_view bytes) { return std::rotr(crc32c(bytes), 15) + 0xa282ead8u; }

double EventFile::now() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

EventFile::EventFile(const std::string& folder, WallTime wall_time) : wall_time_(std::move(wall_time)) {
  const auto existing = event_files(folder);
  const std::uint64_t size = existing.empty() ? 0 : cut_torn_tail(existing.back());
  path_ = existing.empty() ? (core::fs::path(folder) / new_name(wall_time_())).string() : existing.back();
  out_.open(path_, std::ios::binary | std::ios::app);
  if (!out_) core::fail_run("{}: cannot be opened for writing; check the permissions of the folder", path_);
  if (size == 0) write_event(field(3, std::string_view("brain.Event:2")));
  flush();
}

EventFile::~EventFile() = default;

void EventFile::write_event(std::string_view fields) {
  const std::string bytes = record(field(1, wall_time_()) + std::string(fields));
  out_.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

void EventFile::scalar(std::string_view tag, std::int64_t step, double value) {
  const std::string summary = field(1, field(1, tag) + field(2, static_cast<float>(value)));
  write_event(field(2, step) + field(5, summary));
}

void EventFile::text(std::string_view tag, std::int64_t step, std::string_view markdown) {
  constexpr std::int64_t kString = 7;  // DataType.DT_STRING
  const std::string shape = field(2, field(1, std::int64_t{1}));
  const std::string tensor = field(1, kString) + field(2, shape) + field(8, markdown);
  const std::string metadata = field(1, field(1, std::string_view("text")));
  const std::string value =
      field(1, std::string(tag) + "/text_summary") + field(9, metadata) + field(8, tensor);
  write_event(field(2, step) + field(5, field(1, value)));
}

void EventFile::flush() {
  out_.flush();
  if (!out_) core::fail_run("{}: cannot be written (is the disk full?)", path_);
}

void EventFile::sync() {
  flush();
  core::sync_to_disk(path_);
}

void EventFile::drop_after(const std::string& folder, std::int64_t step) {
  for (const auto& path : event_files(folder)) {
    const core::MappedFile file(path);
    core::write_file_atomically(path, [&](const core::Sink& sink) {
      std::string_view bytes = as_text(file.bytes());
      for (auto whole = whole_record(bytes); !whole.empty(); whole = whole_record(bytes)) {
        const auto event = whole.substr(kHeaderBytes, whole.size() - kHeaderBytes - kFooterBytes);
        if (step_of(event) <= step) sink(whole);
        bytes.remove_prefix(whole.size());
      }
    });
  }
}

std::string metric_tag(std::string_view metric) {
  constexpr std::string_view kEval = "eval_";
  if (metric.starts_with(kEval)) return "eval/" + std::string(metric.substr(kEval.size()));
  return "train/" + std::string(metric);
}

}  // namespace attune::training
